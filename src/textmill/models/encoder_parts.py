"""Where the parts of any encoder of transformers are: its blocks, its dropouts, its positions."""

from typing import Any, cast

from torch import nn

from textmill.models.size import num_parameters

# A rate that nobody chooses: what has it after the model is built takes its rate from the config's dropout of hidden
# states. (2**-20 keeps it apart from 0.1, and is exact in binary.)
_MARK = 0.1 + 2**-20


def mark_dropout(config: Any) -> None:
    """Prepare a config, in place, for `find_dropout`; the dropout of attention probabilities is zero from here on.

    Above zero, SDPA leaves its fused kernel, and a CPU trains at half the speed.
    """
    for key in _dropout_keys(config):
        setattr(config, key, 0.0 if "attn" in key or "attention" in key else _MARK)


def find_dropout(encoder: nn.Module) -> None:
    """Remember in each module which of its attributes are rates of hidden states, and set them to zero.

    Architectures differ in where they keep a rate (`nn.Dropout`, or a number passed to a function), so we look for the
    values that `mark_dropout` put into the config.
    """
    for module in encoder.modules():
        names = tuple(name for name, value in vars(module).items() if isinstance(value, float) and value == _MARK)
        if names:
            module.hidden_dropout = names  # type: ignore[assignment]
    set_hidden_dropout(encoder, 0.0)
    config = cast(Any, encoder.config)
    for key in _dropout_keys(config):
        setattr(config, key, 0.0)


def set_hidden_dropout(encoder: nn.Module, rate: float) -> None:
    """Set the rates that `find_dropout` found."""
    for module in encoder.modules():
        for name in vars(module).get("hidden_dropout", ()):
            setattr(module, name, rate)


def _dropout_keys(config: Any) -> list[str]:
    """Keys of a config that hold a rate; LayerDrop and stochastic depth, which skip whole layers, are none."""
    return [
        key
        for key, value in config.to_dict().items()
        if "drop" in key and isinstance(value, int | float) and not any(word in key for word in ("layer", "path"))
    ]


def find_blocks(encoder: nn.Module) -> list[nn.Module]:
    """The blocks that are computed one after the other: the largest outermost ModuleList, first to last.

    Outermost, because a block may hold a list of its own, such as a mixture's experts. Empty if there is no list.
    """
    lists = _outermost_lists(encoder)
    sizes = [num_parameters(blocks) for blocks in lists]
    return list(lists[sizes.index(max(sizes))]) if lists else []


def _outermost_lists(module: nn.Module) -> list[nn.ModuleList]:
    found: list[nn.ModuleList] = []
    for child in module.children():
        found += [child] if isinstance(child, nn.ModuleList) else _outermost_lists(child)
    return found


def depth_groups(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters once, from the input to the output: embeddings, each block, what follows the last block."""
    blocks = [list(block.parameters()) for block in find_blocks(encoder)]
    of_blocks = {id(parameter) for block in blocks for parameter in block}
    embeddings = {
        id(p) for module in encoder.modules() if isinstance(module, nn.Embedding) for p in module.parameters()
    }
    before: list[nn.Parameter] = []
    after: list[nn.Parameter] = []
    seen_block = False
    for parameter in encoder.parameters():
        if id(parameter) in of_blocks:
            seen_block = True
        elif id(parameter) in embeddings or not seen_block:
            before.append(parameter)  # a table of relative positions may be defined behind the blocks
        else:
            after.append(parameter)
    return [group for group in (before, *blocks, after) if group]


def num_positions(encoder: nn.Module) -> int | None:
    """The most tokens that the encoder can read, special tokens included; None if it sets no limit."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return None
    for name, module in encoder.named_modules():
        # RoBERTa and its kin count from behind the padding's position: the first ones are never used.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(positions) - cast(int, module.padding_idx) - 1
    return int(positions)

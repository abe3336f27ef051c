"""Language models of transformers around the encoder that tune and train start from.

Shape suffixes: W windows, T tokens, A tokens that are asked for, V tokens of the vocabulary, D hidden size.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.data.tokens import read_meta
from textmill.errors import UserError
from textmill.models.encoder_config import is_causal
from textmill.models.encoder_loading import build_encoder, check_fits, load_encoder
from textmill.models.encoder_parts import depth_groups, find_dropout
from textmill.models.vocabulary import transfer_vocabulary
from textmill.training.pretraining.masking import IGNORED

Objective = Literal["mlm", "clm"]


class UnfitObjective(UserError):
    """The architecture cannot be pretrained in this way."""


class Answer(NamedTuple):
    loss: Tensor  # float32 scalar, mean over the tokens that are asked for
    num_asked: Tensor  # int64 scalar
    continues_W2: Tensor | None  # logits of next-sentence prediction: that B follows A, that it does not


class LanguageModel(nn.Module):
    """A language model of transformers whose head is computed only where a token is asked for.

    With masking that is a seventh of the tokens, and the head, of the size of the vocabulary, is the most expensive
    layer of a small model.
    """

    def __init__(self, model: Any):
        super().__init__()
        self.model = model
        self._asked_WT: Tensor | None = None  # until the hook has seen it
        model.base_model.register_forward_hook(self._keep_asked)

    @property
    def encoder(self) -> Any:
        """The model without its head."""
        return self.model.base_model

    def forward(
        self, ids_WT: Tensor, attention_mask_WT: Tensor, targets_WT: Tensor, token_types_WT: Tensor | None = None
    ) -> Answer:
        """Cross-entropy of the targets; `IGNORED` ones are not asked for."""
        asked_WT = targets_WT != IGNORED
        output = self._compute(ids_WT, attention_mask_WT, asked_WT, token_types_WT)
        total = F.cross_entropy(output["logits_AV"], targets_WT[asked_WT], reduction="sum")
        num_asked = asked_WT.sum()
        return Answer(total / num_asked.clamp(min=1), num_asked, output["continues_W2"])

    def logits(self, ids_WT: Tensor, attention_mask_WT: Tensor, asked_WT: Tensor) -> Tensor:
        """What the model says of the tokens that are asked for: float32 [A, V]."""
        return self._compute(ids_WT, attention_mask_WT, asked_WT, None)["logits_AV"]

    def _compute(
        self, ids_WT: Tensor, attention_mask_WT: Tensor, asked_WT: Tensor, token_types_WT: Tensor | None
    ) -> dict[str, Any]:
        types = {} if token_types_WT is None else {"token_type_ids": token_types_WT}
        self._asked_WT = asked_WT
        output = self.model(input_ids=ids_WT, attention_mask=attention_mask_WT, **types)
        logits = output["prediction_logits"] if "prediction_logits" in output else output["logits"]
        if self._asked_WT is None:
            logits_AV = logits[0]
        else:  # an architecture, such as OPT, whose head does not call the encoder as a whole
            logits_AV, self._asked_WT = logits[asked_WT], None
        return {"logits_AV": logits_AV.float(), "continues_W2": output.get("seq_relationship_logits")}

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the embeddings to the head; tied ones are the embeddings'."""
        groups = depth_groups(self.encoder)
        known = {id(parameter) for group in groups for parameter in group}
        return [*groups, [parameter for parameter in self.parameters() if id(parameter) not in known]]

    def _keep_asked(self, _: nn.Module, __: Any, output: Any) -> Any:
        """Hand the head the states [1, A, D] of the tokens that are asked for, in the order of the mask."""
        if self._asked_WT is not None:
            output.last_hidden_state = output.last_hidden_state[self._asked_WT][None]
            self._asked_WT = None
        return output


def build_language_model(
    objective: Objective,
    *,
    config: Mapping[str, Any] | None,
    tokens: Path,
    weights: Path,
    next_sentence: bool,
) -> LanguageModel:
    """A language model that reads the tokens; what is new of it is drawn from torch's generator.

    Args:
        config: model.transformer.config, to start from scratch; None continues from `weights`, with their own head
            where they have one for these tokens.
        tokens: data/tokens; if its tokenizer was trained, the embeddings are transferred to its vocabulary.

    Raises: UnfitObjective, UnusableWeights, InvalidConfig.
    """
    if config is not None:
        settings, source = build_encoder(config, tokens).config, "model.transformer.config"  # one that can compute
        model = _auto_class(settings, objective, next_sentence).from_config(settings)
    else:
        encoder, source = load_encoder(weights), f"model.weights ({weights})"
        model = _around(encoder, _auto_class(encoder.config, objective, next_sentence), weights, tokens)
    find_dropout(model)
    check_fits(model.base_model, tokens, source)
    return LanguageModel(model)


def _auto_class(config: Any, objective: Objective, next_sentence: bool) -> Any:
    """The class of transformers that makes the language model. Raises: UnfitObjective."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForPreTraining

    kind = config.model_type
    if objective == "clm" and not is_causal(config):
        raise UnfitObjective(
            f"pretrain.objective is clm, but {kind} is an encoder, whose tokens see those after them and would read "
            "the answer. Set pretrain.objective to mlm, or take a decoder: model.weights of one, or "
            "model.transformer.config with model_type gpt2, llama or another."
        )
    if objective == "mlm" and (is_causal(config) or type(config) not in AutoModelForMaskedLM._model_mapping):
        raise UnfitObjective(
            f"pretrain.objective is mlm, but {kind} is no encoder with a masked language model in transformers. Set "
            "pretrain.objective to clm if it is a decoder, or take an encoder: model.weights of one, or "
            "model.transformer.config with model_type bert, deberta-v2, modernbert or another."
        )
    if not next_sentence:
        return AutoModelForMaskedLM if objective == "mlm" else AutoModelForCausalLM
    if kind != "bert" or objective != "mlm":
        raise UnfitObjective(
            f"pretrain.next_sentence is true, but it is for BERT with mlm only, and this is {kind} with {objective}. "
            "Set pretrain.next_sentence to false."
        )
    return AutoModelForPreTraining  # of BERT: both heads


def _around(encoder: Any, auto: Any, weights: Path, tokens: Path) -> Any:
    """A language model with this encoder, in the vocabulary of the tokens, and with the head of its weights."""
    transferred = read_meta(tokens)["tokenizer"]["kind"] == "trained"
    head = _read_head(auto, weights, of_other_vocabulary=transferred)
    if transferred:
        transfer_vocabulary(encoder, weights / "tokenizer.json", tokens / "tokenizer.json")
    model = auto.from_config(encoder.config)
    lacking = model.base_model.load_state_dict(encoder.state_dict(), strict=False)
    assert not lacking.unexpected_keys, lacking
    assert all("pooler" in key for key in lacking.missing_keys), lacking  # next-sentence prediction has one
    assert not model.load_state_dict(head, strict=False).unexpected_keys
    return model


def _read_head(auto: Any, weights: Path, *, of_other_vocabulary: bool) -> dict[str, Tensor]:
    """The tensors of the head that the weights come with; without those of its vocabulary if that is another."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # most weights lack the head: it is new then
    try:
        model, info = auto.from_pretrained(
            weights,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    finally:
        logging.set_verbosity(verbosity)
    embeddings = model.get_input_embeddings().weight
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith(f"{model.base_model_prefix}.")
        and name not in info["missing_keys"]
        and tensor.data_ptr() != embeddings.data_ptr()
        and not (of_other_vocabulary and len(tensor) == len(embeddings))
    }


def save_language_model(model: LanguageModel, tokens: Path, folder: Path) -> None:
    """Write encoder/, which tune and train start from, and language_model/, the same with its head."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    for name, part in (("encoder", model.encoder), ("language_model", model.model)):
        part.save_pretrained(folder / name)
        shutil.copy(tokens / "tokenizer.json", folder / name)
        for file in (folder / name).iterdir():
            file.chmod(0o644)  # transformers writes for the owner alone


def load_masked_model(folder: Path) -> LanguageModel:
    """The masked language model in a folder that `save_language_model` wrote, in evaluation mode."""
    from transformers import AutoModelForMaskedLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the head of next-sentence prediction is not needed
    try:
        model = AutoModelForMaskedLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    finally:
        logging.set_verbosity(verbosity)
    return LanguageModel(model.eval())

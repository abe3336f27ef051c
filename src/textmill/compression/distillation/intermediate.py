"""What a transformer learns from the inside of its teacher: hidden states and attention relations.

Jiao et al.: TinyBERT, 2020 (https://arxiv.org/abs/1909.10351), for hidden states by a learned projection; Sanh et al.:
DistilBERT, 2019 (https://arxiv.org/abs/1910.01108), for their cosine; Wang et al.: MiniLMv2, 2021
(https://arxiv.org/abs/2012.15828), for relations.

Shape suffixes: B documents of a batch, W windows of them, T tokens, D a width, R relation heads, C outputs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.data.batches import Batch
from textmill.models.encoder_parts import find_blocks
from textmill.training.objective import Loss

# Names under which architectures keep the projections to queries, keys and values, and those to all three at once.
_APART = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("query_proj", "key_proj", "value_proj"),
    ("q", "k", "v"),
)
_TOGETHER = ("c_attn", "Wqkv")
_HIDDEN = -1e9  # score of a token that is padding


class Recorder:
    """Keeps what some modules of a model gave when it was called last, by name."""

    def __init__(self, model: nn.Module, modules: Mapping[str, nn.Module]):
        self._given: dict[str, Tensor] = {}
        self._hooks: list[Any] = [model.register_forward_pre_hook(lambda *_: self._given.clear())]
        for name, module in modules.items():
            self._hooks.append(module.register_forward_hook(lambda _, __, output, name=name: self._keep(name, output)))

    def _keep(self, name: str, output: Any) -> None:
        # Of several calls the first: DeBERTa asks for queries and keys again, about relative positions.
        self._given.setdefault(name, output[0] if isinstance(output, tuple) else output)

    def take(self) -> dict[str, Tensor]:
        given = dict(self._given)
        self._given.clear()
        return given

    def stop(self) -> None:
        """Leave the model as it was."""
        for hook in self._hooks:
            hook.remove()


class Pupil(nn.Module):
    """A student in training, with the projections of its hidden states to the teacher's width.

    Args:
        num_compared: layers whose hidden states are compared.
        teacher_width: None where hidden states are not compared.
    """

    def __init__(self, student: Any, num_compared: int, teacher_width: int | None):
        super().__init__()
        self.student, self.family = student, student.family
        width = student.head.in_features
        self.projections = nn.ModuleList()
        if teacher_width is not None and teacher_width != width:
            self.projections.extend(nn.Linear(width, teacher_width) for _ in range(num_compared))

    def forward(self, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
        return cast(Tensor, self.student(input_ids_WT, attention_mask_WT))

    def set_dropout(self, rate: float) -> None:
        self.student.set_dropout(rate)

    def set_training(self, on: bool, packing: bool = False) -> None:
        """States are compared token by token, in their places: documents are not packed."""
        self.student.set_training(on)

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Those of the student; projections learn as fast as the head."""
        *lower, head = self.student.depth_groups()
        return [*lower, [*head, *self.projections.parameters()]]


class IntermediateTargets:
    """A loss on the answers, and on hidden states and relations beside it.

    Args:
        loss: of the answers.
        pairs: layers of student and teacher whose hidden states are compared.
        hidden: `weight` and `distance` of the step's hidden_states, or None.
        relations: `weight`, or None.
    """

    def __init__(
        self,
        loss: Loss,
        pupil: Pupil,
        teacher: Any,
        pairs: Sequence[tuple[int, int]],
        hidden: Mapping[str, Any] | None,
        relations: Mapping[str, Any] | None,
    ):
        self.loss, self.pupil, self.teacher = loss, pupil, teacher.eval()
        self.pairs, self.hidden, self.relations = pairs, hidden, relations
        student, with_relations = pupil.student, relations is not None
        self._of_student = Recorder(student, watched(student, [pair[0] for pair in pairs], with_relations))
        self._of_teacher = Recorder(teacher, watched(teacher, [pair[1] for pair in pairs], with_relations))

    def __call__(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        total = self.loss(logits_BC, batch)
        student = self._of_student.take()
        mask_WT = batch["attention_mask_WT"]
        with torch.no_grad():
            self.teacher.to(logits_BC.device)(batch["input_ids_WT"], mask_WT)
        teacher = self._of_teacher.take()
        if self.hidden is not None:
            distance = sum(self._distance(place, student, teacher, mask_WT) for place in range(len(self.pairs)))
            total = total + self.hidden["weight"] * distance / len(self.pairs)
        if self.relations is not None:
            num_heads = self.teacher.encoder.config.num_attention_heads
            divergence = relation_divergence(_projected(student), _projected(teacher), mask_WT, num_heads)
            total = total + self.relations["weight"] * divergence
        return total

    def stop(self) -> None:
        """Leave student and teacher as they were."""
        self._of_student.stop()
        self._of_teacher.stop()
        self.teacher.to("cpu")

    def _distance(
        self, place: int, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], mask_WT: Tensor
    ) -> Tensor:
        assert self.hidden is not None
        of_student, of_teacher = (f"layer {layer}" for layer in self.pairs[place])
        states_WTD = student[of_student]
        if len(self.pupil.projections):
            states_WTD = self.pupil.projections[place](states_WTD)
        return hidden_distance(states_WTD, teacher[of_teacher], mask_WT, self.hidden["distance"])


def hidden_distance(
    student_WTD: Tensor, teacher_WTD: Tensor, mask_WT: Tensor, distance: Literal["mse", "cosine"]
) -> Tensor:
    """Mean over the tokens that are no padding of the mean squared difference, or of 1 - cosine."""
    student_WTD, teacher_WTD = student_WTD.float(), teacher_WTD.float()
    if distance == "mse":
        apart_WT = (student_WTD - teacher_WTD).square().mean(-1)
    else:
        apart_WT = 1 - F.cosine_similarity(student_WTD, teacher_WTD, dim=-1)
    return (apart_WT * mask_WT).sum() / mask_WT.sum().clamp(min=1)


def relation_divergence(
    student: Sequence[Tensor], teacher: Sequence[Tensor], mask_WT: Tensor, num_heads: int
) -> Tensor:
    """Kullback-Leibler divergence of the teacher's relations from the student's (MiniLMv2, equations 4 to 6).

    A relation is softmax(A A' / sqrt(E)) of the queries, keys or values A of one head of E features; they are cut anew
    into relation heads, as many for both, so that widths and heads may differ.

    Args:
        student, teacher: queries, keys and values, each [W, T, D].
        num_heads: most relation heads; as many are taken as divide both widths.

    Returns:
        The mean over tokens that are no padding and over heads, summed over queries, keys and values.
    """
    total = student[0].new_zeros((), dtype=torch.float32)
    for of_student, of_teacher in zip(student, teacher, strict=True):
        heads = common_heads(of_student.shape[-1], of_teacher.shape[-1], num_heads)
        log_q_WRTT, log_p_WRTT = (_log_relation(one, mask_WT, heads) for one in (of_student, of_teacher))
        apart_WT = F.kl_div(log_q_WRTT, log_p_WRTT, reduction="none", log_target=True).sum(-1).mean(1)
        total = total + (apart_WT * mask_WT).sum() / mask_WT.sum().clamp(min=1)
    return total


def common_heads(student_width: int, teacher_width: int, most: int) -> int:
    """The largest number up to `most` that divides both widths."""
    return next(n for n in range(most, 0, -1) if student_width % n == 0 and teacher_width % n == 0)


def watched(model: Any, layers: Sequence[int], relations: bool) -> dict[str, nn.Module]:
    """Modules whose output is compared, by name."""
    blocks = find_blocks(model.encoder)
    modules = {f"layer {layer}": blocks[layer] for layer in layers}
    return {**modules, **(find_projections(blocks[-1]) or {})} if relations else modules


def find_projections(block: nn.Module) -> dict[str, nn.Module] | None:
    """The modules of a block that give `queries`, `keys` and `values`, or `all` of them; None if they are unknown."""
    by_name = {name.rpartition(".")[2]: module for name, module in block.named_modules()}
    for names in _APART:
        if all(name in by_name for name in names):
            return {role: by_name[name] for role, name in zip(("queries", "keys", "values"), names, strict=True)}
    return next(({"all": by_name[name]} for name in _TOGETHER if name in by_name), None)


def _projected(given: Mapping[str, Tensor]) -> Sequence[Tensor]:
    return given["all"].chunk(3, dim=-1) if "all" in given else [given[role] for role in ("queries", "keys", "values")]


def _log_relation(projected_WTD: Tensor, mask_WT: Tensor, num_heads: int) -> Tensor:
    """Log-probabilities [W, R, T, T] in float32; those of padding are as good as none."""
    split_WRTE = projected_WTD.float().unflatten(-1, (num_heads, -1)).transpose(1, 2)
    scores_WRTT = split_WRTE @ split_WRTE.transpose(-1, -2) / split_WRTE.shape[-1] ** 0.5
    return scores_WRTT.masked_fill(~mask_WT.bool()[:, None, None, :], _HIDDEN).log_softmax(-1)

"""Students, as they are before they are taught: some of the teacher's layers, a thinner encoder, another family.

Layers of the teacher's own, evenly spaced, as in Sanh et al.: DistilBERT, 2019 (https://arxiv.org/abs/1910.01108).

Shape suffixes: V tokens of the vocabulary, D the teacher's width, d the student's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from textmill.data.tokens import read_meta
from textmill.errors import UserError
from textmill.models.depth import fewer_layers, keep_layers, num_layers
from textmill.models.embeddings import new_embeddings
from textmill.models.encoder_config import InvalidConfig, first_line
from textmill.models.folder import family
from textmill.models.low_rank import token_embeddings
from textmill.models.size import num_parameters
from textmill.models.transformer import Transformer
from textmill.training.dataset import TrainingData

_THINNER = ("hidden_size", "num_heads", "feed_forward")
_FEED_FORWARD = ("intermediate_size", "hidden_dim", "n_inner", "ffn_dim")  # what configs call it


class StudentNotSmaller(UserError):
    """A student must have fewer parameters than its teacher, and no layers beyond the teacher's."""


class UnfitStudent(UserError):
    """A student's numbers do not fit together, or not the teacher."""


@dataclass(frozen=True)
class Student:
    """`origins`: of each layer of a transformer, the place of the teacher's layer that it stands for; else empty."""

    model: Any
    origins: tuple[int, ...] = ()


def build_student(teacher: Any, settings: Mapping[str, Any], data: TrainingData) -> Student:
    """A student of one teacher (of an ensemble, a member), drawn from torch's generator where it is new.

    Args:
        settings: `student` of the step, as config.steps.distill has it.

    Raises: StudentNotSmaller, UnfitStudent, InseparableLayers, InvalidConfig.
    """
    if settings["family"] != "transformer":
        return Student(_of_small_family(teacher, settings, data))
    depth = num_layers(teacher)
    assert depth is not None, "unfit() has refused it"
    origins = _origins(settings, depth)
    if all(settings.get(key) is None for key in _THINNER):
        return Student(keep_layers(teacher, origins), tuple(origins))
    return Student(_thinner(teacher, settings, origins), tuple(origins))


def check_smaller(student: Any, teacher: Any) -> None:
    """Raises: StudentNotSmaller."""
    size, limit = num_parameters(student), num_parameters(teacher)
    if size >= limit:
        raise StudentNotSmaller(
            f"compress.recipes: distill wants a student of {size:,} parameters ({student.family}), but the teacher has "
            f"{limit:,}: nothing would be gained. Give the student fewer layers, a smaller hidden_size, or an "
            "embedding_size below the teacher's."
        )


def evenly_spaced(num_kept: int, depth: int) -> list[int]:
    """Layer indices, the last one always among them: `evenly_spaced(3, 6) == [1, 3, 5]`."""
    return torch.linspace(depth / num_kept, depth, num_kept).round().long().sub(1).tolist()


def token_vectors(model: Any) -> Tensor:
    """The embedding of each token, whether it is in a table or made of two: float32 [V, D]."""
    module = token_embeddings(model)
    with torch.no_grad():
        return cast(Tensor, module(torch.arange(module.num_embeddings))).float()


def principal_directions(embeddings_VD: Tensor, size: int) -> Tensor:
    """Orthonormal [D, d]: a projection that keeps most of the squared length of the rows.

    The right singular vectors of the largest singular values (Eckart and Young 1936,
    https://doi.org/10.1007/BF02288367), each with its largest entry above zero.
    """
    _, vectors_DD = torch.linalg.eigh((embeddings_VD.T @ embeddings_VD).double())
    chosen_Dd = vectors_DD.flip(1)[:, :size]
    signs_d = chosen_Dd.gather(0, chosen_Dd.abs().argmax(0, keepdim=True)).sign()
    return (chosen_Dd * signs_d).float()


def _origins(settings: Mapping[str, Any], depth: int) -> list[int]:
    layers, wanted = settings.get("layers"), settings.get("num_layers")
    if layers is not None:
        if beyond := [layer for layer in layers if layer >= depth]:
            raise StudentNotSmaller(
                f"compress.recipes: distill wants the student to have the teacher's layer {beyond[0]}, but the teacher "
                f"has {depth}, counted from 0. Set student.layers to some of {list(range(depth))}."
            )
        return list(layers)
    assert wanted is not None
    if wanted > depth:
        raise StudentNotSmaller(
            f"compress.recipes: distill wants a student of {wanted} layers, but the teacher has {depth}. "
            f"Set student.num_layers to at most {depth - 1}; {depth} is enough only where it is thinner, or where the "
            "teacher is an ensemble."
        )
    return evenly_spaced(wanted, depth)


def _of_small_family(teacher: Any, settings: Mapping[str, Any], data: TrainingData) -> Any:
    """An LSTM, CNN or bag of embeddings for the tokens that the teacher reads."""
    assert data.folder is not None
    num_tokens = read_meta(data.folder)["vocabulary_size"]
    size = settings.get("embedding_size")
    if settings["embeddings"] == "own":
        assert size is not None, "config lets none through"
        embeddings = new_embeddings(num_tokens, size)
    else:
        given_VD = token_vectors(teacher)[:num_tokens]  # weights may have spare rows
        assert len(given_VD) == num_tokens
        if size is not None and size > given_VD.shape[1]:
            raise UnfitStudent(
                f"compress.recipes: distill wants the teacher's embeddings with embedding_size {size}, but they have "
                f"{given_VD.shape[1]}. Set student.embedding_size to at most that, or student.embeddings to own."
            )
        if size is not None and size < given_VD.shape[1]:
            given_VD = given_VD @ principal_directions(given_VD, size)
        embeddings = nn.Embedding.from_pretrained(given_VD.clone(), freeze=False)
    num_labels = teacher.head.out_features
    others = [settings[key] for key in _ARGUMENTS[settings["family"]]]
    return family(settings["family"])(embeddings, *others, num_labels)


# What the constructors of the families take between embeddings and the number of labels.
_ARGUMENTS = {"lstm": ("hidden_size", "num_layers"), "text_cnn": ("widths", "num_filters"), "bag_of_embeddings": ()}


def _thinner(teacher: Any, settings: Mapping[str, Any], origins: Sequence[int]) -> Transformer:
    """A new encoder of the teacher's architecture; its tables of embeddings are the teacher's, in fewer directions."""
    values = fewer_layers(teacher, origins)["config"]
    _set_widths(values, teacher, settings)
    shape = {"config": values, "num_labels": teacher.head.out_features, "pooling": teacher.pooling}
    try:
        student = Transformer.from_architecture(shape)
        with torch.no_grad():  # some numbers fit together only when they are used
            student(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.int64))
    except (InvalidConfig, RuntimeError, ValueError, IndexError) as error:
        given = ", ".join(f"{key} {settings[key]}" for key in _THINNER if settings.get(key) is not None)
        raise UnfitStudent(
            f"compress.recipes: distill cannot make a student of model_type {teacher.encoder.config.model_type} with "
            f"{given}: {first_line(error)}. Change student, or leave these keys out to take the teacher's layers."
        ) from error
    _take_embeddings(student, teacher)
    return student


def _set_widths(values: dict[str, Any], teacher: Any, settings: Mapping[str, Any]) -> None:
    """Put hidden_size, num_heads and feed_forward of the settings into a config, and what follows from them."""
    config, width = teacher.encoder.config, teacher.head.in_features
    hidden_size = settings.get("hidden_size") or width
    num_heads = settings.get("num_heads") or config.num_attention_heads
    if hidden_size % num_heads:
        raise UnfitStudent(
            f"compress.recipes: distill wants a student of hidden_size {hidden_size} with {num_heads} heads, which do "
            "not share it evenly. Set student.hidden_size to a multiple of student.num_heads."
        )
    for key, value in (("hidden_size", hidden_size), ("num_attention_heads", num_heads)):
        values[config.attribute_map.get(key, key)] = value
    known = config.to_dict()
    if known.get("head_dim"):
        values["head_dim"] = hidden_size // num_heads
    if known.get("num_key_value_heads"):  # as many queries share a key as in the teacher
        values["num_key_value_heads"] = max(1, num_heads * config.num_key_value_heads // config.num_attention_heads)
    if settings.get("feed_forward"):
        names = [name for name in _FEED_FORWARD if name in known]
        if not names:
            raise UnfitStudent(
                f"compress.recipes: a config of model_type {config.model_type} says nothing of feed-forward units. "
                "Leave student.feed_forward out."
            )
        values[names[0]] = settings["feed_forward"]


def _take_embeddings(student: Transformer, teacher: Any) -> None:
    """Tables of the teacher's, of tokens, positions and so on: as they are, or in the main directions of its tokens."""
    given = {name: m.weight.detach() for name, m in teacher.encoder.named_modules() if isinstance(m, nn.Embedding)}
    of_tokens, vectors_VD = token_embeddings(student), token_vectors(teacher)
    for name, module in student.encoder.named_modules():
        weight_XD = vectors_VD if module is of_tokens else given.get(name)
        if not isinstance(module, nn.Embedding) or weight_XD is None:
            continue
        num_rows, size = module.weight.shape
        if len(weight_XD) == num_rows and size < weight_XD.shape[1] == vectors_VD.shape[1]:
            weight_XD = weight_XD @ principal_directions(vectors_VD, size)
        if weight_XD.shape == module.weight.shape:
            with torch.no_grad():
                module.weight.copy_(weight_XD)

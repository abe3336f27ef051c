"""What params.yaml declares of how a model must behave: `evaluate.checks`."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from textmill.config.base import Count, Fraction, Name, Positive, Section
from textmill.tasks import Task

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _read_answer(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if all(isinstance(label, str) and label for label in (value if isinstance(value, list) else [value])):
        return value
    raise ValueError("of a text a label is expected, a list of labels (multi_label), or a number (regression)")


Answer = Annotated[str | float | list[str], BeforeValidator(_read_answer)]
Tolerance = Annotated[
    Positive | None, Field(description="How far a number may be off; for task: regression, and only there.")
]


class _Check(Section):
    name: Name = Field(description="What the report calls it.")
    max_failures: Fraction = Field(description="Largest share of failed documents (or texts) that passes the check.")


class _Change(_Check):
    documents: Count = Field(
        description="Most test documents that are changed; the model runs once for every change of each."
    )
    replace: dict[Words, Annotated[list[Words], Field(min_length=1)]] | None = Field(
        default=None,
        description="Words, and what replaces them, one after the other, in documents that have them. A check has this "
        "or append or prepend.",
    )
    append: Words | None = Field(
        default=None,
        description="What is written after documents; of long ones, whose end the model does not read, nobody sees it.",
    )
    prepend: Words | None = Field(default=None, description="What is written before documents.")

    @model_validator(mode="after")
    def _is_one_change(self) -> Self:
        given = [key for key in ("replace", "append", "prepend") if getattr(self, key)]
        if len(given) != 1:
            raise ValueError(
                f"check {self.name}: give one of replace, append and prepend, found {' and '.join(given) or 'none'}"
            )
        return self


class InvarianceCheck(_Change):
    kind: Literal["invariance"]
    tolerance: Tolerance = None


class DirectionalCheck(_Change):
    kind: Literal["directional"]
    label: str | None = Field(
        default=None, description="The label whose probability is compared; none for task: regression."
    )
    direction: Literal["up", "down"] = Field(description="Where the probability, or the number, may go.")
    tolerance: Annotated[float, Field(ge=0)] = Field(description="How far it may go the other way.")


class ExpectationCheck(_Check):
    kind: Literal["expectation"]
    texts: Annotated[dict[Words, Answer], Field(min_length=1)] = Field(
        description="Texts, and the label (list of labels, number) that each must get."
    )
    tolerance: Tolerance = None


Check = Annotated[InvarianceCheck | DirectionalCheck | ExpectationCheck, Field(discriminator="kind")]


def _have_own_names(checks: list[Check]) -> list[Check]:
    names = [check.name for check in checks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two checks are called {', '.join(twice)}: each needs a name of its own")
    return checks


Checks = Annotated[list[Check], AfterValidator(_have_own_names)]


def check_task(checks: list[Check], task: Task) -> None:
    """Raises: ValueError: a check asks for what the task does not have."""
    for check in checks:
        if fault := _misfit(check, task):
            raise ValueError(f"evaluate.checks, {check.name} ({check.kind}) with task: {task}: {fault}")


def _misfit(check: Check, task: Task) -> str | None:
    if isinstance(check, DirectionalCheck):
        if task == "regression":
            return "label must be left out: the number itself is compared" if check.label is not None else None
        return "label is missing: its probability is compared" if check.label is None else None
    if task == "regression" and check.tolerance is None:
        return "tolerance is missing: how far a number may be off"
    if task != "regression" and check.tolerance is not None:
        return "tolerance must be left out: a label is the same or another"
    if isinstance(check, ExpectationCheck):
        kind, words = {
            "single_label": (str, "a label (in quotes if it looks like a number)"),
            "multi_label": (list, "a list of labels"),
            "regression": (float, "a number"),
        }[task]
        for text, answer in check.texts.items():
            if not isinstance(answer, kind):
                return f"{words} is expected of {text!r}, found {answer!r}"
    return None

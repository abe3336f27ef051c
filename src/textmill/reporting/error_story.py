"""What the page tells of the chosen model's mistakes, from reports/diagnosis.json and the texts of its documents."""

from collections.abc import Iterable, Mapping
from typing import Any

from textmill.artifacts import iter_table, read_json
from textmill.paths import Paths
from textmill.reporting import plots
from textmill.reporting.facts import Facts
from textmill.reporting.highlight import cut_segments, split_segments
from textmill.reporting.templating import say_number
from textmill.tasks import split_labels

_MOST_MISTAKES = 24
_MOST_EXAMPLES = 3
_MOST_PAIRS = 20
_MOST_WORDS_TOLD = 5  # of a mistake, beside its text, for its answer and against it
_MOST_MARKED, _LEAST_WEIGHT = 10, 0.2  # words of a mistake that are marked; weight relative to the largest
_LEAST_OF_CLASS = 0.1  # weight of a class's word, relative to its largest: what is less hardly speaks for it
_FIRST, _LONGEST = 420, 6000  # characters of a mistake at once, and at most
_EXCERPT = 180  # of a neighbour or an example


def tell_errors(facts: Facts, paths: Paths) -> dict[str, Any]:
    """Mistakes, confusion pairs, flips, words of each class and the faithfulness of the explanations.

    A document's text, and everything made of it, is left out where report.include_texts is false.

    Raises: MissingArtifact: a stage has not run.
    """
    diagnosis = read_json(paths.diagnosis)
    include_texts = facts.params.report.include_texts
    mistakes = diagnosis["mistakes"][:_MOST_MISTAKES]
    pairs = diagnosis["confusion_pairs"][:_MOST_PAIRS]
    flips = [flip for flip in diagnosis["flips"] if flip["broken"] or flip["mended"]]
    texts: dict[str, str] = {}
    if include_texts:
        listed = [pair["ids"] for pair in pairs] + [flip[way] for flip in flips for way in ("broken", "mended")]
        of_test = {row["id"] for row in mistakes} | {name for ids in listed for name in ids[:_MOST_EXAMPLES]}
        of_train = {near["id"] for row in mistakes for near in row["neighbours"]}
        texts = read_texts(paths, "test", of_test) | read_texts(paths, "train", of_train)
    return {
        "include_texts": include_texts,
        "num_mistakes": diagnosis["num_mistakes"],
        "left_out": diagnosis["left_out"],
        "mistakes": [_tell_mistake(row, texts, facts.task) for row in mistakes],
        "explained": next((row["explanation"]["method"] for row in mistakes if row["explanation"]), None),
        "pairs": [{**pair, "examples": _excerpts(pair["ids"], texts)} for pair in pairs],
        "flips": [_tell_flip(flip, texts) for flip in flips],
        "words": _tell_words(diagnosis["words_per_class"]) if include_texts else [],
        "faithfulness": diagnosis["faithfulness"],
        "deletion": plots.deletion(diagnosis["faithfulness"]) if diagnosis["faithfulness"] else None,
    }


def read_texts(paths: Paths, split: str, ids: Iterable[str]) -> dict[str, str]:
    """The texts of these documents of a split, by id."""
    wanted: set[str] = set(ids)
    found: dict[str, str] = {}
    if wanted:
        for batch in iter_table(paths.split(split)):
            rows = batch.loc[batch["id"].isin(wanted)]
            found |= dict(zip(rows["id"], rows["text"], strict=True))
    return found


def say_answer(answer: object, task: str) -> str:
    """An answer of our tables for people."""
    if task == "regression":
        return say_number(float(str(answer)))
    return ", ".join(split_labels(str(answer))) or "no label" if task == "multi_label" else str(answer)


def _tell_mistake(row: Mapping[str, Any], texts: Mapping[str, str], task: str) -> dict[str, Any]:
    """With `first` and `rest` of its text in segments, words for and against, and its neighbours' texts."""
    text = texts.get(row["id"])
    spans = _heaviest(row["explanation"]["spans"]) if row["explanation"] else []
    told: dict[str, Any] = {**row, "first": [], "rest": [], "num_rest": 0, "words": {}, "how": _say_how(row, task)}
    if text is not None:
        segments = split_segments(text[:_LONGEST], spans)
        told["first"], told["rest"] = cut_segments(segments, _FIRST)
        told["num_rest"] = sum(len(segment.text) for segment in told["rest"])
        told["num_cut"] = max(0, len(text) - _LONGEST)
        ways = {"for": [s for s in spans if s[2] > 0], "against": [s for s in spans if s[2] < 0]}
        told["words"] = {
            way: [{"word": text[start:end], "weight": weight} for start, end, weight in of_way[:_MOST_WORDS_TOLD]]
            for way, of_way in ways.items()
        }
    told["neighbours"] = [{**near, "text": _cut(texts.get(near["id"]))} for near in row["neighbours"]]
    return told


def _heaviest(spans: list[Any]) -> list[tuple[int, int, float]]:
    """Those worth a mark: were all marked, none would stand out."""
    least = _LEAST_WEIGHT * max((abs(weight) for _, _, weight in spans), default=0.0)
    return [(start, end, weight) for start, end, weight in spans[:_MOST_MARKED] if abs(weight) >= least]


def _say_how(row: Mapping[str, Any], task: str) -> str:
    """How sure of the wrong answer, or how far off."""
    if task == "regression":
        return f"off by {say_number(abs(row['error']))}"
    return f"confidence {row['confidence']:.2f}"


def _tell_flip(flip: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    examples = {way: _excerpts(flip[way], texts) for way in ("broken", "mended")}
    return {**flip, "examples": examples}


def _tell_words(words: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """A row per class: its words that say something, each with its weight relative to the largest of the class."""
    told = []
    for label, pairs in (words or {}).items():
        largest = max((abs(weight) for _, weight in pairs), default=1.0) or 1.0
        shares = [(word, weight, abs(weight) / largest) for word, weight in pairs]
        told.append({"label": label, "words": [row for row in shares if row[2] >= _LEAST_OF_CLASS]})
    return told


def _excerpts(ids: list[str], texts: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"id": name, "text": _cut(texts.get(name))} for name in ids[:_MOST_EXAMPLES]]


def _cut(text: str | None) -> str | None:
    """One line of a text."""
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT].rsplit(' ', 1)[0]} …"

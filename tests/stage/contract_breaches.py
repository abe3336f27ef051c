"""How each expectation is breached, and what is then said."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from tests.contract_files import Files
from tests.stage import contract_spoilers as spoil

TABLES = ("raw", "quarantine", "clean", "train", "validation", "test")
NO = {"max": None}


@dataclass
class Breach:
    """How to breach one expectation.

    Attributes:
        key: of the section contract; None for what is always demanded.
        failures: suite and column of all expectations that fail; the first is the one that is meant.
        said: words of the message.
        contract: other values in the section contract.
    """

    key: str | None
    failures: list[tuple[str, str | None]]
    said: str
    spoil: Any = None
    spoil_file: Any = None
    contract: dict[str, dict[str, Any]] = field(default_factory=dict)
    reference: dict[str, float] | None = None

    @property
    def name(self) -> str:
        return "-".join(part for part in (*self.failures[0], self.key) if part)

    def settings(self, level: str) -> dict[str, dict[str, Any]]:
        """What to change in the section contract, with a level for the expectation that is meant."""
        return self.contract | ({self.key: self.contract.get(self.key, {}) | {"level": level}} if self.key else {})

    def files(self) -> Files:
        """Healthy tables, spoilt."""
        files = spoil.healthy()
        if self.spoil is not None:
            self.spoil(files)
        return files


PROMISES = [
    *(
        Breach(
            None,
            [("schema", name)],
            f"schema.{name}: Wrong, missing or superfluous columns of {name}: found 1, allowed at most 0, for example "
            f"{name}.label is int64, not text",
            spoil_file=spoil.rewrite(
                name, lambda t: t.set_column(t.schema.get_field_index("label"), "label", pa.array([1] * len(t)))
            ),
        )
        for name in TABLES
    ),
    Breach(
        None,
        [("raw", None)],
        "raw: Rows read: those kept and those in quarantine: found 204, allowed exactly 205",
        spoil.invent,
    ),
    Breach(
        None,
        [("raw", "unaccounted"), ("raw", None)],
        "or both: found 1, allowed at most 0, for example lost",
        spoil.lose,
    ),
    Breach(
        None, [("raw", "unnamed"), ("raw", "unaccounted")], "raw.unnamed: Rows without an id: found 1", spoil.unname_raw
    ),
    Breach(
        None, [("raw", "repeated")], "another row has too: found 2, allowed at most 0, for example d0", spoil.repeat_raw
    ),
    Breach(
        None,
        [("clean", "unnamed"), ("clean", "not_once"), ("raw", "unaccounted")],
        "clean.unnamed: Documents without an id: found 1, allowed at most 0",
        spoil.unname_clean,
    ),
    Breach(
        None,
        [("clean", "repeated"), ("raw", "unaccounted")],
        "another document has too: found 2, allowed at most 0, for example d0000000000000000",
        spoil.repeat_clean,
    ),
    Breach(None, [("clean", "unlabelled")], "clean.unlabelled: Documents without a label: found 1", spoil.unlabel),
    Breach(
        None,
        [("clean", "not_once"), ("splits", None)],
        "exactly one split: found 1, allowed at most 0, for example d0",
        spoil.drop_from_split,
    ),
    Breach(None, [("splits", None), ("clean", "not_once")], "found 201, allowed exactly 200", spoil.repeat_in_split),
    Breach(None, [("splits", "textless")], "Documents without a text: found 1", spoil.without_text),
    Breach(
        None,
        [("splits", "num_characters")],
        "splits.num_characters (clean.min_characters): Shortest document, in characters: found 2, allowed at least 3",
        spoil.shorten,
    ),
    Breach(
        None,
        [("splits", "num_characters")],
        "splits.num_characters (clean.max_characters): Longest document, in characters: found 108,000, allowed at most "
        "100,000, for example d0",
        spoil.lengthen,
    ),
]
LIMITS = [
    Breach(
        "missing_share",
        [("raw", "missing")],
        "Share of rows without a text or a label: found 0.166667, allowed at most 0.05, for example 0q0",
        spoil.quarantine_as("empty_text"),
        contract={"quarantine_share": NO},
    ),
    Breach(
        "duplicate_share",
        [("raw", "duplicate")],
        "exactly or nearly: found 0.166667, allowed at most 0.1, for example 0q0",
        spoil.quarantine_as("near_conflicting_labels"),
        contract={"quarantine_share": NO, "duplicate_share": {"max": 0.1}},
    ),
    Breach(
        "quarantine_share",
        [("raw", "quarantined")],
        "Share of rows in quarantine: found 0.166667, allowed at most 0.1, for example 0q0",
        spoil.quarantine_as("too_short"),
    ),
    Breach("documents", [("clean", None)], "found 200, allowed at least 201", contract={"documents": {"min": 201}}),
    Breach(
        "documents",
        [("clean", None)],
        "found 200, allowed at least 100 and at most 199",
        contract={"documents": {"max": 199}},
    ),
    Breach("classes", [("classes", None)], "Classes: found 2, allowed at least 3", contract={"classes": {"min": 3}}),
    Breach("classes", [("classes", None)], "found 2, allowed exactly 1", contract={"classes": {"min": 1, "max": 1}}),
    Breach(
        "labels",
        [("classes", "unlisted")],
        "not among those allowed: found 1, allowed only negative, neutral, for example positive",
        contract={"labels": {"allowed": ["negative", "neutral"]}},
    ),
    Breach(
        "documents_per_class",
        [("classes", "documents")],
        "Documents of the smallest class: found 100, allowed at least 101, for example negative, positive",
        contract={"documents_per_class": {"min": 101}},
    ),
    *(
        Breach(
            "documents_per_class_and_split",
            [("classes", name)],
            f"Documents of the smallest class in {name}: found 1, allowed at least 2, for example positive",
            change,
            contract={"documents_per_class_and_split": {"min": 2}, "split_drift": NO},
        )
        for name, change in (
            ("train", spoil.starve_train),
            ("validation", spoil.starve_validation),
            ("test", spoil.starve_test),
        )
    ),
    *(
        Breach(
            "split_drift",
            [("classes", f"{name}_drift"), *others],
            f"share in {name} from its share of all: found 0.4",
            change,
        )
        for name, change, others in (
            ("train", spoil.starve_train, [("classes", "test_drift")]),
            ("validation", spoil.starve_validation, []),
            ("test", spoil.starve_test, []),
        )
    ),
    *(
        Breach("reference_drift", [("reference", "drift")], said, reference=labels)
        for labels, said in (
            ({"negative": 0.7, "positive": 0.3}, "found 0.2, allowed at most 0.1, for example negative, positive"),
            ({"negative": 0.5, "pos": 0.5}, "found 1, allowed at most 0.1, for example pos, positive"),
            ({"negative": 0.4, "positive": 0.4, "gone": 0.2}, "found 1, allowed at most 0.1, for example gone"),
        )
    ),
    Breach(
        "leakage", [("splits", "leaks")], "found 2: the same text 2, allowed at most 0, for example d", spoil.share_text
    ),
    Breach("leakage", [("splits", "leaks")], "found 2: near duplicates 2, allowed at most 0", spoil.share_cluster),
    Breach("leakage", [("splits", "leaks")], "found 3: the same group 3, allowed at most 0", spoil.share_group),
    Breach(
        "characters",
        [("splits", "num_characters")],
        "Median length of the documents, in characters: found",
        contract={"characters": {"min": 500}},
    ),
    Breach("characters", [("splits", "num_characters")], "allowed at most 10", contract={"characters": {"max": 10}}),
    Breach(
        "main_script_share",
        [("texts", "main_script")],
        "in the commonest script: found 0.8, allowed at least 0.9, for example d",
        spoil.edit_train(spoil.every(5), lambda text: "Это обзор фильма, написанный по-русски"),
    ),
    Breach(
        "email_share",
        [("texts", "email")],
        "with an e-mail address: found 0.1, allowed at most 0.05, for example d",
        spoil.edit_train(spoil.every(10), lambda text: f"{text} someone@example.com"),
    ),
    Breach(
        "phone_share",
        [("texts", "phone")],
        "with a telephone number: found 0.1, allowed at most 0.05, for example d",
        spoil.edit_train(spoil.every(10), lambda text: f"{text} (650) 253-0000"),
    ),
    Breach(
        "token_shortcut",
        [("shortcuts", "word")],
        "a text that has “imdbtag” is of the label “positive”, allowed at most 0.9, for example d",
        spoil.edit_train(spoil.positives(0.97), lambda text: f"{text[:40]} imdbtag {text[40:]}"),
        contract={"prefix_shortcut": NO},
    ),
    Breach(
        "prefix_shortcut",
        [("shortcuts", "affix")],
        "a text that starts with “(reuters)” is of the label “positive”, allowed at most 0.6, for example d",
        spoil.edit_train(spoil.positives(0.8), lambda text: f"(Reuters) {text}"),
    ),
]

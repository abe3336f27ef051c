"""Raw rows become clean rows, one for one; what is learned of them goes to the verdicts."""

import pandas as pd
import pytest

from tests.corpora import cluster_of
from textmill.data.cleaning.corrected_labels import Corrections, UnfittingCorrection
from textmill.data.cleaning.labels import RareLabels, make_rules
from textmill.data.cleaning.rows import RowCleaner, as_list
from textmill.data.cleaning.texts import TextRules
from textmill.data.quarantine.parting import NothingToLearn
from textmill.data.quarantine.verdicts import Verdicts

RULES = TextRules(frozenset({"html_to_text", "collapse_whitespace"}), 1, 100)


def cleaner(labels=None, corrections=(), task="single_label"):
    rare, rules = RareLabels(1, "error", None), make_rules(task, labels, "keep", ",")
    verdicts = Verdicts(drop_duplicates=True, near=None, near_action="ignore", rare=rare, task=task)
    table = pd.DataFrame(list(corrections), columns=["id", "label", "corrected"])
    return RowCleaner(RULES, None, rules, Corrections(table, rules, task), verdicts, None), verdicts


def batches():
    """Two batches, as a Parquet reader gives them: text with pandas' own missing value."""
    table = pd.DataFrame(
        {
            "id": [f"{i:016x}" for i in range(1, 6)],
            "text": ["One  two", None, "one two", "three", "<b>four</b>"],
            "label": ["0", "0", None, "2", " 1 "],
            "origin": list("abcde"),
            "split": [None, None, None, "test", None],
        }
    ).astype("str")
    return [table[:3], table[3:]]


def test_rows_keep_their_places_and_pandas_nulls_are_missing():
    rows, verdicts = cleaner({"0": "no", "1": "yes"})
    cleaned = pd.concat(rows.clean(batches(), 1))
    assert cleaned["id"].tolist() == [f"{i:016x}" for i in range(1, 6)]
    assert cleaned["origin"].tolist() == list("abcde")
    assert cleaned["text"].tolist() == ["One two", "", "one two", "three", "four"]
    assert as_list(cleaned["label"]) == ["no", "no", None, None, "yes"]
    assert cleaned["cluster"].iloc[0] == cleaned["cluster"].iloc[2] == cluster_of("one two")
    assert rows.repaired == {"html_to_text": 1, "collapse_whitespace": 1}
    settlement = verdicts.settle()
    gone = pd.concat(settlement.quarantine(batches()))
    assert gone["reason"].tolist() == ["empty_text", "missing_label", "unknown_label"]


def test_corrections_are_checked_when_all_rows_are_seen():
    rows, _ = cleaner(corrections=[(f"{5:016x}", "1", "0")])
    assert as_list(pd.concat(rows.clean(batches(), 1))["label"]) == ["0", "0", None, "2", "0"]
    rows, _ = cleaner(corrections=[(f"{77:016x}", "1", "0")])
    with pytest.raises(UnfittingCorrection, match="not in the data"):
        list(rows.clean(batches(), 1))


def test_labels_of_other_tasks():
    table = pd.concat(batches()).assign(label=["2,1", "x", "1,2", "3", "1|2"])
    rows, verdicts = cleaner(task="multi_label")
    assert as_list(pd.concat(rows.clean([table], 1))["label"]) == ["1|2", "x", "1|2", "3", None]
    reasons = pd.concat(verdicts.settle().quarantine([table]))["reason"].tolist()
    assert reasons == ["empty_text", "duplicate", "bar_in_label"]
    rows, verdicts = cleaner(task="regression")
    numbers = pd.concat(batches()).assign(label=["2", "x", "2.0", "-1", "many"])
    cleaned = pd.concat(rows.clean([numbers], 1))
    assert as_list(cleaned["label"]) == ["2.0", None, "2.0", "-1.0", None]
    settlement = verdicts.settle()
    assert pd.concat(settlement.quarantine([numbers]))["reason"].tolist() == ["empty_text", "duplicate", "not_a_number"]
    assert pd.concat(settlement.keep([cleaned]))["label"].tolist() == ["2.0", "-1.0"]


def test_the_unknown_among_several_labels_are_named():
    rows, verdicts = cleaner({"a": "a"}, task="multi_label")
    list(rows.clean([pd.concat(batches()).assign(label="a,other")], 1))
    with pytest.raises(NothingToLearn, match=r"clean\.labels does not list: 'other'\)"):
        verdicts.settle()

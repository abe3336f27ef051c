"""Every row is judged once: its own faults, equal and nearly equal texts, rare labels. The counts add up."""

import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora import cluster_of
from textmill.data.cleaning.labels import RareLabels
from textmill.data.duplicates.exact import normalise
from textmill.data.duplicates.near import NearDuplicateIndex, choose_banding
from textmill.data.duplicates.shingles import Sketches, sketch
from textmill.data.quarantine.parting import NothingToLearn
from textmill.data.quarantine.reasons import REASONS, REPLACED
from textmill.data.quarantine.verdicts import TooRare, Verdicts

NONE_RARE = RareLabels(1, "error", None)
BANDING = choose_banding(0.8, 3, 112)
WORDS = [f"w{i}" for i in range(40)]


def settle(table, *, folder=None, action="quarantine", drop=True, rare=NONE_RARE, batch_size=3, task="single_label"):
    """Judge rows of text, label, split and reason. Returns the settlement, and the batches as they were."""
    table = pd.DataFrame(table, columns=["text", "label", "split", "reason"]).astype(object)
    table = table.where(table.notna(), None).assign(id=[f"{i:016x}" for i in range(1, len(table) + 1)])
    table["cluster"] = [cluster_of(text) for text in table["text"]]
    batches = [table[i : i + batch_size].reset_index(drop=True) for i in range(0, len(table), batch_size)]
    index = None if folder is None else NearDuplicateIndex(folder, 0.8)
    verdicts = Verdicts(drop_duplicates=drop, near=index, near_action=action, rare=rare, task=task)
    for batch in batches:
        verdicts.note_unknown(batch["label"][batch["reason"] == "unknown_label"])
        verdicts.add(
            ids=batch["id"].tolist(),
            splits=batch["split"].tolist(),
            labels=[None if r == "unknown_label" else y for y, r in zip(batch["label"], batch["reason"], strict=True)],
            reasons=batch["reason"].tolist(),
            clusters=[int(cluster, 16) for cluster in batch["cluster"]],
        )
        if index is not None:
            index.add(sketch([normalise(text) for text in batch["text"]], BANDING))
    return verdicts.settle(), [batch.drop(columns="reason") for batch in batches]


def fates(settlement, batches):
    """Reason and kept id (as a number) of each row that goes, by number, and the ids of those that stay."""
    gone = pd.concat(settlement.quarantine(batches))
    kept = [int(name, 16) if isinstance(name, str) else None for name in gone["kept_id"]]
    told = {int(name, 16): fate for name, *fate in zip(gone["id"], gone["reason"], kept, strict=True)}
    return told, [int(name, 16) for name in pd.concat(settlement.keep(batches))["id"]]


def test_kept_id_names_the_document_that_stays():
    rows = [("a", "x"), ("b", "y"), ("A ", "x"), ("c", "x"), ("c", "y")]
    told, stays = fates(*settle([(text, label, None, None) for text, label in rows]))
    assert told == {3: ["duplicate", 1], 4: ["conflicting_labels", None], 5: ["conflicting_labels", None]}
    assert stays == [1, 2]


def test_a_row_with_a_fault_is_nobodys_duplicate():
    told, stays = fates(*settle([("a", "?", None, "unknown_label"), ("a", "x", None, None), ("b", "y", None, None)]))
    assert (told, stays) == ({1: ["unknown_label", None]}, [2, 3])


def test_duplicates_can_be_kept_but_never_leaks():
    rows = [("a", "x", None, None), ("a", "y", None, None), ("b", "y", "train", None), ("b", "y", "test", None)]
    told, stays = fates(*settle(rows, drop=False))
    assert (told, stays) == ({3: ["leaks_into_test", 4]}, [1, 2, 4])


def sentence(*changed, words=WORDS):
    """40 words, some of them other ones: one changed word costs 3 shingles of 38, a similarity of 0.85."""
    return " ".join(f"x{place}" if place in changed else word for place, word in enumerate(words))


def test_a_chain_of_small_changes_is_not_one_text(tmp_path):
    texts = [sentence(), sentence(10), sentence(10, 20), sentence(10, 20, 30)]
    rows = [(text, "x", None, None) for text in texts] + [("something else", "y", None, None)]
    told, stays = fates(*settle(rows, folder=tmp_path))
    assert told == {2: ["near_duplicate", 1], 4: ["near_duplicate", 3]}
    assert stays == [1, 3, 5]


def test_a_chain_is_one_group(tmp_path):
    texts = [sentence(), sentence(10), sentence(10, 20), sentence(10, 20, 30)]
    rows = [(text, "xy"[i % 2], None, None) for i, text in enumerate(texts)] + [("something else", "y", None, None)]
    settlement, batches = settle(rows, folder=tmp_path, action="group")
    kept = pd.concat(settlement.keep(batches))
    assert list(kept["cluster"]) == [cluster_of(texts[0])] * 4 + [cluster_of("something else")]
    assert settlement.summary(Counter(), [])["near_duplicates"] == {"num_clusters": 1, "largest": 4}


def test_what_was_only_compared_with_a_text_that_went_is_compared_again(tmp_path):
    """The first takes the second away, which led the only buckets where the third and the fourth met."""
    index = NearDuplicateIndex(tmp_path, 0.8)
    sets = [range(20), range(2, 20), range(4, 21), range(4, 22), range(50, 60)]
    bands = [[1, 10], [1, 20], [3, 20], [4, 20], [5, 50]]
    sizes = np.array([len(numbers) for numbers in sets], np.int32)
    index.add(Sketches(np.array(bands, np.uint32), sizes, np.concatenate(sets).astype(np.uint32)))
    verdicts = Verdicts(drop_duplicates=True, near=index, near_action="quarantine", rare=NONE_RARE, task="single_label")
    names = [f"{i:016x}" for i in range(1, 6)]
    verdicts.add(ids=names, splits=[None] * 5, labels=list("xxxxy"), reasons=[None] * 5, clusters=list(range(5)))
    told, stays = fates(verdicts.settle(), [pd.DataFrame({"id": names})])
    assert told == {2: ["near_duplicate", 1], 4: ["near_duplicate", 3]}
    assert stays == [1, 3, 5]


RARE = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("e", "r"), ("f", "s"), ("G", "r"), ("g", "r")]
RARE = [(text, label, None, None) for text, label in RARE]


def test_rare_labels_go_with_their_duplicates():
    rows = [*RARE, *[(text, label, None, None) for text, label in [("h", "x"), ("i", "y"), ("j", "y"), ("c", "s")]]]
    told, stays = fates(*settle(rows, rare=RareLabels(3, "quarantine", None)))
    # 12 contradicts 3, but its label is rare: without it, 3 stays.
    assert told == {number: ["rare_label", None] for number in (5, 6, 7, 8, 12)}
    assert stays == [1, 2, 3, 4, 9, 10, 11]


def test_rare_labels_are_merged():
    settlement, batches = settle(RARE, rare=RareLabels(2, "merge", "x"))
    kept = pd.concat(settlement.keep(batches)).set_index("id")
    assert list(kept["label"]) == ["x", "x", "y", "y", "r", "x", "r"]
    summary = settlement.summary(Counter(), [])
    assert summary["merged_labels"] == {"s": 1}
    assert summary["labels"] == {"r": 2, "x": 3, "y": 2}


def test_labels_that_are_merged_no_longer_contradict():
    rows = [*RARE, ("E", "s", None, None)]
    told, _ = fates(*settle(rows, rare=RareLabels(2, "merge", "other")))
    assert told == {8: ["duplicate", 7], 9: ["duplicate", 5]}


def test_rare_labels_are_an_error_with_their_names_and_counts():
    said = r"1 of 4 labels have fewer than .*min_documents: 2 documents after cleaning: 's' \(1\)\. .* merge, or lower"
    with pytest.raises(TooRare, match=said):
        settle(RARE, rare=RareLabels(2, "error", None))
    with pytest.raises(TooRare, match=r"4 of 4 .*'x' \(2\), 'y' \(2\), 'r' \(2\), 's' \(1\)"):
        settle(RARE, rare=RareLabels(3, "error", None))


def test_single_class_is_told():
    with pytest.raises(NothingToLearn, match=r"'x'; a classifier needs at least two.*1 too_short.*data\.label"):
        settle([("a", "x", None, None), ("b", "x", None, None), ("", "y", None, "too_short")])


def test_nothing_left_is_told():
    with pytest.raises(NothingToLearn, match=r"all 3 rows .*3 unknown_label; .*: 'x', 'y'\).*clean\.labels"):
        settle(
            [("a", "x", None, "unknown_label"), ("b", "y", None, "unknown_label"), ("c", "x", None, "unknown_label")]
        )


def test_ten_unknown_labels_are_named_at_most():
    with pytest.raises(NothingToLearn, match=r"'label 8', 'label 9'\)"):
        settle([(str(i), f"label {i}", None, "unknown_label") for i in range(100)])


def test_many_labels_take_linear_time():
    """A list that is searched for each new label takes a minute here."""
    rows = [(str(i), f"label {i}", None, None) for i in range(60_000)]
    started = time.process_time()
    settlement, _ = settle(rows, batch_size=60_000)
    assert len(settlement.count_labels()) == 60_000
    assert time.process_time() - started < 10


TEXTS = st.one_of(
    st.sampled_from("abcd"), st.sets(st.sampled_from([5, 15, 25, 35]), max_size=3).map(lambda c: sentence(*c))
)
ROWS = st.lists(
    st.tuples(
        TEXTS,
        st.sampled_from("xyz"),
        st.sampled_from([None, None, "train", "validation", "test"]),
        st.sampled_from([None] * 6 + ["too_short", "too_long", "missing_label", "unknown_label"]),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=150)
@given(
    ROWS,
    st.sampled_from([None, "quarantine", "group"]),
    st.booleans(),
    st.sampled_from([NONE_RARE, RareLabels(2, "quarantine", None), RareLabels(3, "merge", "other")]),
    st.integers(1, 14),
)
def test_every_row_is_either_kept_or_quarantined(tmp_path_factory, rows, action, drop, rare, batch_size):
    folder = None if action is None else tmp_path_factory.mktemp("index")
    try:
        settlement, batches = settle(
            rows, folder=folder, action=action or "", drop=drop, rare=rare, batch_size=batch_size
        )
    except NothingToLearn:
        return
    kept, gone = pd.concat(settlement.keep(batches)), pd.concat(settlement.quarantine(batches))
    assert sorted([*kept["id"], *gone["id"]]) == [f"{i:016x}" for i in range(1, len(rows) + 1)]
    summary = settlement.summary(Counter(html_to_text=2), [])
    assert summary["ingested"] == summary["kept"] + summary["quarantined"] == len(rows)
    assert summary["reasons"] == {reason: Counter(gone["reason"])[reason] for reason in REASONS}
    assert summary["labels"] == dict(sorted(Counter(kept["label"]).items()))
    assert sum(summary["leaks"].values()) == sum(gone["reason"].str.startswith("leaks").tolist())
    assert set(gone["kept_id"].dropna()) <= set(kept["id"])
    assert list(gone["kept_id"].notna()) == list(gone["reason"].isin(REPLACED))
    own = {f"{i:016x}": row for i, row in enumerate(rows, 1)}
    for row in gone.itertuples():
        assert row.text == own[row.id][0]
        assert own[row.id][3] in (row.reason, None)
        if row.reason.startswith("leaks"):
            assert own[row.kept_id][2] == row.reason.removeprefix("leaks_into_") != own[row.id][2]
        elif isinstance(row.kept_id, str):
            assert own[row.kept_id][1] == own[row.id][1] or rare.action == "merge"
    of_test = [i for i, row in own.items() if row[2] == "test" and row[3] is None]
    assert set(of_test) - set(kept["id"]) <= set(gone["id"][gone["reason"] == "rare_label"])
    if drop:
        assert not kept["cluster"][[own[i][2] != "test" for i in kept["id"]]].duplicated().any() or action == "group"
    if rare.action == "quarantine":
        assert min(summary["labels"].values()) >= 2


def pairs(*rows):
    return [(text, label, None, None) for text, label in rows]


def test_equal_sets_of_labels_agree_and_others_conflict():
    rows = pairs(("a", "x|y"), ("A", "x|y"), ("b", "x|y"), ("B", "x"), ("c", ""), ("c ", ""), ("d", "x"), ("d", ""))
    told, stays = fates(*settle(rows, task="multi_label"))
    assert {number: reason for number, (reason, _) in told.items()} == {
        2: "duplicate",
        3: "conflicting_labels",
        4: "conflicting_labels",
        6: "duplicate",
        7: "conflicting_labels",
        8: "conflicting_labels",
    }
    assert stays == [1, 5]


RARELY = pairs(("a", "x|y"), ("b", "x"), ("c", "y|z"), ("d", "z|q"), ("e", "x|y|q"), ("f", ""), ("g", "w"))


def test_rare_labels_among_several():
    """x and y have three documents; z and q two, w one."""
    with pytest.raises(TooRare, match=r"3 of 5 labels .* 'z' \(2\), 'q' \(2\), 'w' \(1\)"):
        settle(RARELY, task="multi_label", rare=RareLabels(3, "error", None))
    settlement, batches = settle(RARELY, task="multi_label", rare=RareLabels(3, "merge", "other"))
    kept = pd.concat(settlement.keep(batches))
    assert kept["label"].tolist() == ["x|y", "x", "other|y", "other", "other|x|y", "", "other"]
    summary = settlement.summary(Counter(), [])
    assert summary["labels"] == {"other": 4, "x": 3, "y": 3}
    assert summary["merged_labels"] == {"q": 2, "w": 1, "z": 2}
    assert summary["unlabelled"] == 1
    assert summary["target"] is None


def test_what_a_rare_label_takes_away_may_make_another_rare():
    """Only w is rare at first. Without its document x is, too."""
    rare = RareLabels(2, "quarantine", None)
    rows = pairs(("a", "x"), ("b", "x|w"), ("c", "y|v"), ("d", "y|u"), ("e", "v"), ("f", "u|v"), ("g", ""), ("h", "u"))
    told, stays = fates(*settle(rows, task="multi_label", rare=rare))
    assert told == {1: ["rare_label", None], 2: ["rare_label", None]}
    assert stays == [3, 4, 5, 6, 7, 8]


def test_numbers():
    rows = pairs(("a", "1.0"), ("A", "1.0"), ("b", "1.0"), ("b", "2.0"), ("c", "-3.5"), ("d", "7.0"))
    settlement, batches = settle(rows, task="regression", rare=RareLabels(1, "error", None))
    told, stays = fates(settlement, batches)
    assert told == {2: ["duplicate", 1], 3: ["conflicting_labels", None], 4: ["conflicting_labels", None]}
    summary = settlement.summary(Counter(), [])
    assert (summary["labels"], summary["merged_labels"], summary["unlabelled"]) == ({}, {}, 0)
    std = np.std([1, -3.5, 7])
    assert summary["target"] == {"min": -3.5, "max": 7.0, "mean": 1.5, "std": pytest.approx(std)}
    assert stays == [1, 5, 6]


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("multi_label", ["x|y", "x|y"], r"All 2 documents .* have the labels 'x\|y' .* data\.label_separator"),
        ("multi_label", ["x", ""], "there must be two labels"),
        ("multi_label", ["", ""], "there must be two labels"),
        ("regression", ["2.0", "2.0"], r"All 2 documents .* have the number 2\.0"),
    ],
)
def test_nothing_to_learn(task, labels, message):
    with pytest.raises(NothingToLearn, match=message):
        settle(pairs(*zip(["one text", "another"], labels, strict=True)), task=task)

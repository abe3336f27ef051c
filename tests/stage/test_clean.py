"""The clean stage on tables made for it: what is planted is found, the rest is left alone, and nothing is lost."""

import time

import pandas as pd
import pytest

from tests.corpora import bbc_news, cluster_of
from tests.stage.clean_tables import clean, write_raw
from tests.stage.stages import fail_stage
from textmill.artifacts import DOCUMENTS, QUARANTINE, RAW, read_table, with_slices, write_table

NEWS = bbc_news()["text"][:12].tolist()


def test_every_reason_is_found_and_the_rest_stays(tmp_path):
    rows = [
        (NEWS[0], "x", None),
        (NEWS[0].upper(), "x", "duplicate"),
        (NEWS[1], "y", None),
        (f"{NEWS[1]} Indeed", "y", "near_duplicate"),
        (NEWS[2], "x", "conflicting_labels"),
        (NEWS[2] + " ", "y", "conflicting_labels"),
        (NEWS[3], "x", "near_conflicting_labels"),
        (NEWS[3].replace("the", "a", 1), "y", "near_conflicting_labels"),
        (None, "x", "empty_text"),
        ("<p>&nbsp;&#8203;</p>", "x", "empty_text"),
        ("ab", "x", "too_short"),
        (NEWS[4] * 20, "x", "too_long"),
        (NEWS[5], None, "missing_label"),
        (NEWS[6], " ", "missing_label"),
        (NEWS[7], "z", "unknown_label"),
        (NEWS[8], "rare", "rare_label"),
        ("schÃ¶n <b>&amp;</b>\u200b gut", " X ", None),
    ]
    paths = write_raw(
        tmp_path,
        {"text": [text for text, _, _ in rows], "label": [label for _, label, _ in rows], "slice_lang": "en"},
        labels="{x: x, y: y, rare: r}",
        label_case="lower",
        max_characters=20_000,
        rare_labels="{min_documents: 2, action: quarantine, merge_into: null}",
    )
    write_more = read_table(paths.raw_documents)
    more = write_more[:1].assign(id=f"{99:016x}", text=NEWS[9], label="y")
    write_table(paths.raw_documents, pd.concat([write_more, more]), with_slices(RAW, write_more.columns))
    kept, gone, summary = clean(paths)
    expected = {number: reason for number, (_, _, reason) in enumerate(rows, 1)}
    assert gone["reason"].to_dict() == {number: reason for number, reason in expected.items() if reason}
    assert gone["kept_id"].dropna().to_dict() == {2: f"{1:016x}", 4: f"{3:016x}"}
    assert list(kept) == [*DOCUMENTS.names, "slice_lang"]
    assert list(gone) == [*QUARANTINE.names, "slice_lang"]
    assert set(gone["slice_lang"]) == {"en"}
    assert gone["text"].fillna("").tolist() == [text or "" for text, _, reason in rows if reason]  # as it was found
    assert kept["text"][17] == "schön & gut"
    assert kept["label"][17] == "x"
    assert kept["cluster"].to_dict() == {number: cluster_of(text) for number, text in kept["text"].items()}
    assert summary["repaired"]["html_to_text"] == 2
    assert summary["repaired"]["repair_unicode"] >= 1
    assert "lowercase" not in summary["repaired"]  # it is switched off


def test_leaks_into_given_splits(tmp_path):
    rows = [
        (NEWS[0], "x", "train", "leaks_into_test"),
        (f"{NEWS[1]} Indeed", "x", "train", "leaks_into_test"),
        (NEWS[2], "x", "train", "leaks_into_validation"),
        (NEWS[3], "y", "train", None),
        (NEWS[4], "x", None, None),
        (NEWS[0], "y", "test", None),
        (NEWS[1], "x", "test", None),
        (NEWS[1], "x", "test", None),  # a test set is kept as it is
        ("", "x", "test", "empty_text"),
        (f"Indeed {NEWS[2]}", "y", "validation", None),
        (NEWS[5], "y", "validation", None),
        (NEWS[5], "y", "validation", "duplicate"),
        (NEWS[1], "x", "validation", "leaks_into_test"),
    ]
    table = pd.DataFrame(rows, columns=["text", "label", "split", "reason"])
    kept, gone, summary = clean(write_raw(tmp_path, table.drop(columns="reason")))
    expected = {number: reason for number, (*_, reason) in enumerate(rows, 1) if reason}
    assert gone["reason"].to_dict() == expected
    assert gone["kept_id"].dropna().map(lambda name: int(name, 16)).to_dict() == {1: 6, 2: 7, 3: 10, 12: 11, 13: 7}
    assert summary["leaks"] == {"exact": 2, "near": 2}
    assert set(kept["split"].dropna()) == {"train", "validation", "test"}


def test_near_duplicates_in_groups_keep_their_documents(tmp_path):
    texts = [NEWS[0], f"{NEWS[0]} Indeed", NEWS[1], NEWS[2]]
    near = "{action: group, threshold: 0.8, ngram: 3, num_hashes: 112}"
    kept, gone, summary = clean(write_raw(tmp_path, {"text": texts, "label": list("xyxy")}, near_duplicates=near))
    assert gone.empty
    assert kept["cluster"].tolist() == [cluster_of(NEWS[0])] * 2 + [cluster_of(text) for text in NEWS[1:3]]
    assert summary["near_duplicates"] == {"num_clusters": 1, "largest": 2}


def test_duplicates_can_be_left_alone(tmp_path):
    near = "{action: ignore, threshold: 0.8, ngram: 3, num_hashes: 112}"
    texts = [NEWS[0], NEWS[0], f"{NEWS[0]} Indeed", NEWS[1]]
    paths = write_raw(tmp_path, {"text": texts, "label": list("xyxy")}, near_duplicates=near, exact_duplicates="false")
    kept, gone, _ = clean(paths)
    assert gone.empty
    assert kept["cluster"].nunique() == 3


def test_corrections_are_applied_and_recorded(tmp_path):
    paths = write_raw(
        tmp_path,
        {"text": NEWS[:4], "label": ["0", "1", "0", "1"]},
        labels="{0: neg, 1: pos}",
        corrections=[(f"{1:016x}", "neg", "pos"), (f"{2:016x}", "neg", "pos")],
    )
    kept, _, summary = clean(paths)
    assert kept["label"].tolist() == ["pos", "pos", "neg", "pos"]
    assert summary["corrections"] == [{"id": f"{1:016x}", "from": "neg", "to": "pos"}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corrections": [(f"{1:016x}", "z", "y")]}, "from 'z' to 'y', but its label is 'x' now"),
        ({"corrections": [(f"{1:016x}", "x", "z")]}, "the label 'z', which is none of the labels: 'x', 'y'"),
        ({"corrections": [(f"{77:016x}", "x", "y")]}, "document 000000000000004d, which is not in the data"),
        (
            {"rare_labels": "{min_documents: 4, action: error, merge_into: null}"},
            "1 of 2 labels have fewer than clean.rare_labels.min_documents: 4 documents after cleaning: 'y' (3)",
        ),
        ({"labels": "{X: a, x: b, y: c}", "label_case": "lower"}, "lists 'X' and 'x' with different labels"),
    ],
)
def test_mistakes_are_told_and_nothing_is_half_done(changes, said, tmp_path):
    write_raw(tmp_path, {"text": NEWS[:8], "label": list("xyxyxyxx")}, **changes)
    message = fail_stage(tmp_path, "clean")
    assert said in message
    assert list((tmp_path / "data/clean").glob("*")) == []


def test_a_document_of_50_mb_costs_no_time(tmp_path):
    huge = "<p>schÃ¶n \x96 www.x.org " * 2_000_000
    paths = write_raw(tmp_path, {"text": [huge, *NEWS[:4], huge[: 20 * 100_000]], "label": list("xxyxyx")})
    started = time.process_time()
    _, gone, _ = clean(paths)
    assert gone["reason"].to_dict() == {1: "too_long", 6: "too_long"}
    assert gone["text"][1] == huge
    assert time.process_time() - started < 10


def test_clean_data_raise_nothing(tmp_path):
    texts = list(dict.fromkeys(" ".join(text.split()) for text in bbc_news()["text"][:200]))
    texts = [text for text in texts if text.isascii() and "<" not in text and "&" not in text]
    kept, gone, summary = clean(write_raw(tmp_path, {"text": texts, "label": ["xy"[i % 2] for i in range(len(texts))]}))
    near = gone["reason"].isin(["near_duplicate", "near_conflicting_labels"])
    assert near.all()  # the BBC's own
    assert len(gone) < 6
    assert set(kept["text"]) <= set(texts)
    assert set(summary["repaired"].values()) == {0}

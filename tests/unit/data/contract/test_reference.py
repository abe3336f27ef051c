"""The frozen reference: written and read back whole, its mistakes told, and what moved since."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.contract.reference import (
    InvalidReference,
    Reference,
    freeze_profile,
    list_differences,
    read_reference,
    write_reference,
)
from textmill.data.contract.tables import tabulate_reference

PROFILE = {
    "project": "movies",
    "source": {"uri": "data/inputs/own.csv", "sha256": "0" * 64},
    "documents": 1000,
    "labels": {"negative": 0.25, "positive": 0.75},
    "characters": {"minimum": 3.0, "median": 120.0, "maximum": 900.0},
    "scripts": {"Latin": 1.0},
    "shares": {"missing": 0.0, "quarantined": 0.01},
    "classes": {"negative": {"documents": 250}, "positive": {"documents": 750}},
    "sample": 700,
}


def reference(**changes):
    return Reference(**{key: value for key, value in (PROFILE | changes).items() if key in Reference.model_fields})


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "contract.lock.yaml"


def test_a_profile_is_frozen_with_a_header_and_read_back(lock):
    assert freeze_profile(lock, PROFILE) is None
    text = lock.read_text()
    assert text.startswith("# The reference that the data contract compares with")
    assert "textmill contract freeze" in text.partition("reference:")[0]
    assert read_reference(lock, "movies") == reference()
    assert freeze_profile(lock, PROFILE) == []
    assert lock.read_text() == text


def test_nothing_frozen_is_null(lock):
    write_reference(lock, None)
    assert lock.read_text().endswith("\nreference: null\n")
    assert read_reference(lock, "movies") is None


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.just(0.5), min_size=1))
def test_any_label_survives(tmp_path_factory, labels):
    lock = tmp_path_factory.mktemp("lock") / "contract.lock.yaml"
    write_reference(lock, reference(labels=labels))
    assert read_reference(lock).labels == labels


@pytest.mark.parametrize(
    "label", ["0", "1.0", "true", "null", "no", "~", "2020-01-01", "a: b", "- x", "#", "'", " ", "\n"]
)
def test_labels_that_look_like_something_else_stay_text(label, lock):
    write_reference(lock, reference(labels={label: 1.0}))
    assert read_reference(lock).labels == {label: 1.0}


def test_another_project_is_told_with_both_names_and_the_way_out(lock):
    freeze_profile(lock, PROFILE)
    with pytest.raises(InvalidReference) as caught:
        read_reference(lock, "news")
    for words in ("'movies'", "'news'", "`reference: null`", "textmill contract freeze"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not here"),
        ("", "malformed"),
        ("- 1\n", "malformed"),
        ("another: null\n", "another: Extra inputs are not permitted"),
        ("reference: 3\n", "reference: Input should be"),
        ("reference: {project: x}\n", "reference.labels: Field required"),
        ("reference: [\n", "not valid YAML"),
        ("reference: null\nreference: null\n", "not valid YAML"),
        ("a: \udcff", "not valid YAML"),
    ],
)
def test_mistakes_are_told_with_the_way_out(content, said, lock):
    if content is not None:
        lock.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidReference) as caught:
        read_reference(lock, "movies")
    assert said in str(caught.value)
    assert str(lock) in str(caught.value)
    assert "`reference: null`" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "positive: 0.75",
            "positive: 75",
            "reference.labels.positive: Input should be less than or equal to 1, found 75",
        ),
        ("positive: 0.75", "positive: .nan", "reference.labels.positive"),
        ("positive: 0.75", "1: 0.75", "reference.labels.1"),
        ("documents: 1000", "documents: many", "reference.documents"),
        ("documents: 1000", "num_documents: 1000", "reference.num_documents: Extra inputs"),
    ],
)
def test_edits_that_make_no_sense_are_told(old, new, said, lock):
    freeze_profile(lock, PROFILE)
    text = lock.read_text()
    assert old in text
    lock.write_text(text.replace(old, new))
    with pytest.raises(InvalidReference) as caught:
        read_reference(lock)
    assert said in str(caught.value)


def test_freezing_replaces_what_cannot_be_read(lock):
    lock.write_text("reference: [\n")
    assert freeze_profile(lock, PROFILE) is None
    assert read_reference(lock) == reference()


def test_a_folder_in_its_place_is_told(lock):
    lock.mkdir()
    with pytest.raises(InvalidReference, match="cannot be read"):
        read_reference(lock)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"negative": 0.25, "positive": 0.75}, {"negative": 0.0, "positive": 0.0}),
        ({"negative": 0.45, "positive": 0.55}, {"negative": 0.2, "positive": 0.2}),
        ({"positive": 1.0}, {"negative": 1.0, "positive": 0.25}),
        ({"bad": 0.25, "positive": 0.75}, {"bad": 1.0, "negative": 1.0, "positive": 0.0}),
        ({"negative": 0.2, "positive": 0.7, "mixed": 0.1}, {"negative": 0.05, "positive": 0.05, "mixed": 1.0}),
    ],
    ids=["nothing moved", "moved by 0.2", "vanished", "renamed", "new"],
)
def test_drift(labels, expected):
    table = tabulate_reference(labels, PROFILE["labels"])
    assert dict(zip(table.keys, table.rows["drift"], strict=True)) == pytest.approx(expected)


def test_differences_are_listed():
    new = reference(
        project="news",
        documents=1100,
        labels={"negative": 0.45, "bad": 0.55},
        characters={"minimum": 3.0, "median": 140.0, "maximum": 900.0},
        scripts={"Latin": 0.9, "Greek": 0.1},
        shares={"missing": 0.0},
    )
    assert list_differences(reference(), new) == [
        "project: movies -> news",
        "documents: 1,000 -> 1,100",
        "class bad: new 0.5500",
        "class negative: 0.2500 -> 0.4500",
        "class positive: gone, was 0.7500",
        "script Greek: new 0.1000",
        "script Latin: 1.0000 -> 0.9000",
        "share quarantined: gone, was 0.0100",
        "length, median: 120 characters -> 140 characters",
    ]


TARGET = {"min": 0.0, "max": 5.0, "mean": 2.5, "std": 1.25, "borders": [1.0, 2.5, 4.0]}


def test_the_target_of_a_regression_is_frozen(lock):
    assert freeze_profile(lock, PROFILE | {"target": TARGET}) is None
    assert read_reference(lock).target.model_dump() == TARGET
    assert freeze_profile(lock, PROFILE | {"target": TARGET | {"max": 6.5}}) == ["target, max: 5 -> 6.5"]


def test_a_file_of_an_earlier_version_has_no_target(lock):
    freeze_profile(lock, PROFILE)
    lock.write_text(lock.read_text().replace("  target:\n", "").replace("  target: null\n", ""))
    assert "target" not in lock.read_text()
    assert read_reference(lock) == reference()

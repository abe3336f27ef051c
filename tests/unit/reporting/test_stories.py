"""The figures that the page computes itself, against closed forms and the functions that measured them."""

from typing import Any

import numpy as np
import pytest

from textmill.evaluation.calibration import reliability
from textmill.reporting import plots
from textmill.reporting.figures import encode, finite, plain
from textmill.reporting.highlight import Segment, cut_segments, split_segments
from textmill.reporting.quality_story import list_confusions, span
from textmill.reporting.templating import say_p_value
from textmill.reporting.wording import say_compact, say_figure, say_signed

TEXT = "a dull film with a great end"


def test_marked_words_are_cut_out_of_the_text() -> None:
    segments = split_segments(TEXT, [(19, 24, -2.0), (2, 6, 1.0)])
    assert segments == [
        Segment("a ", None), Segment("dull", 0.5), Segment(" film with a ", None), Segment("great", -1.0),
        Segment(" end", None),
    ]  # fmt: skip
    assert "".join(segment.text for segment in segments) == TEXT


@pytest.mark.parametrize(
    ("spans", "marked"),
    [
        ([(2, 6, 1.0), (4, 11, 0.5)], ["dull"]),  # the more important one wins
        ([(2, 6, 0.0)], []),
        ([(20, 99, 1.0), (5, 5, 1.0), (-1, 2, 1.0)], []),  # of a text that was cut
        ([(0, len(TEXT), 1.0)], [TEXT]),
        ([(0, 1, 1.0), (24, 28, 1.0)], ["a", " end"]),
        ([], []),
    ],
)
def test_spans_that_do_not_fit_are_left_out(spans: list[tuple[int, int, float]], marked: list[str]) -> None:
    segments = split_segments(TEXT, spans)
    assert [segment.text for segment in segments if segment.weight is not None] == marked
    assert "".join(segment.text for segment in segments) == TEXT


def test_a_random_text_is_whole_after_it_is_cut() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        text = "".join(rng.choice(list("ab c"), size=rng.integers(0, 60)))
        starts = rng.integers(0, 60, size=5)
        spans = [(int(start), int(start + rng.integers(1, 9)), float(rng.normal())) for start in starts]
        first, rest = cut_segments(split_segments(text, spans), int(rng.integers(0, 40)))
        assert "".join(segment.text for segment in [*first, *rest]) == text


def test_a_reliability_diagram_shows_the_bins_that_were_measured() -> None:
    rng = np.random.default_rng(1)
    bins = reliability(rng.dirichlet([1, 1, 1], size=300), rng.integers(0, 3, 300), 10).table().to_dict("records")
    figure = plots.reliability({plots.AS_SERVED: bins})
    drawn = figure.data[1]
    assert drawn["x"] == [row["mean_confidence"] for row in bins]
    assert drawn["y"] == [row["accuracy"] for row in bins]
    assert [row[1:] for row in figure.rows] == [(b["mean_confidence"], b["accuracy"], b["count"]) for b in bins]


def test_the_most_frequent_confusions_come_first() -> None:
    report = {"labels": ["a", "b", "c"], "confusion": [[5, 0, 2], [7, 1, 0], [0, 0, 0]]}
    found = [(row["actual"], row["predicted"], row["count"], row["share"]) for row in list_confusions(report)]
    assert found == [("b", "a", 7, 7 / 8), ("a", "c", 2, 2 / 7)]
    assert list_confusions({"labels": []}) == []


@pytest.mark.parametrize("num_classes", [26, 52])
def test_many_classes_are_a_picture(num_classes: int) -> None:
    labels = [f"<b>class {number}</b>" for number in range(num_classes)]
    counts = np.eye(num_classes, dtype=int).tolist()
    figure = plots.confusion(labels, counts, [])
    assert np.array(figure.data[0]["z"], float).shape == (num_classes, num_classes)
    assert np.nansum(np.array(figure.data[0]["z"], float)) == num_classes
    assert figure.data[0]["x"][0] == "&lt;b&gt;class 0&lt;/b&gt;", "Plotly knows some markup"
    assert len(set(figure.data[0]["x"])) == num_classes
    long = plots.confusion(["a rather long name of a class"] * 3 + ["b"] * 30, np.eye(33, dtype=int).tolist(), [])
    assert len(set(long.data[0]["x"])) == 33, "cut names are told apart"


def test_a_scale_holds_its_intervals() -> None:
    assert span([(0.2, 0.4), (None, None)]) == {"low": pytest.approx(0.184), "high": pytest.approx(0.416)}
    assert span([(0.2, 0.4)], zero=True)["low"] < 0
    assert span([(0.0, 0.4)], lowest=0.0)["low"] == 0
    found = span([])
    assert found["low"] < found["high"]


def test_costs_that_span_little_are_on_a_plain_axis() -> None:
    def axis_of(sizes: list[float]) -> dict[str, Any]:
        rows = [
            {"name": f"m{at}", "score": 0.8, "size_mb": size, "on_pareto_front": True, "is_baseline": False}
            for at, size in enumerate(sizes)
        ]
        axis: dict[str, Any] = plots.pareto(rows, "m0", "macro-F1", "size_mb", "size in MB", 30.0).layout["xaxis"]
        return axis

    assert "type" not in axis_of([20.0, 25.0])
    low, high = axis_of([20.0, 25.0])["range"]
    assert low < 20
    assert high > 30, "the budget is seen"
    wide = axis_of([0.5, 90.0])
    assert wide["type"] == "log"
    assert {"0.5", "2", "50"} <= set(wide["ticktext"])


def test_figures_are_written_as_people_write_them() -> None:
    assert [say_signed(value) for value in (1.26, -0.31, 0.0, -0.04, None)] == [
        "+1.3", "\N{MINUS SIGN}0.3", "0.0", "0.0", "\N{EN DASH}",
    ]  # fmt: skip
    assert [say_p_value(value) for value in (0.0, 0.0009, 0.0123, 1.0)] == ["< 0.001", "< 0.001", "0.012", "1.000"]
    assert [say_compact(value).replace("\N{NO-BREAK SPACE}", " ") for value in (22_713_216, 1.42e9, 950, None)] == [
        "22.7 M", "1.42 G", "950", "unknown",
    ]  # fmt: skip
    assert say_figure(0.00123) == "0.00123"


def test_json_in_a_script_ends_no_script_and_has_numbers_only() -> None:
    text = encode({"a": "</script><!--&\u2028"})
    assert not set("<>&\u2028") & set(text)
    with pytest.raises(ValueError, match="Out of range"):
        encode({"a": float("nan")})
    assert finite([1, None, float("nan"), float("inf")]) == [1.0, None, None, None]
    assert plain("a\nb <i>" + "x" * 50) == "a b &lt;i&gt;" + "x" * 24 + "…"

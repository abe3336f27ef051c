import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from textmill.evaluation.selection import Budget, Candidate, NoVariantInBudget, pareto_front, select

FULL = Candidate("full", 0.800, 91.0, 6.0, 200)
INT8 = Candidate("int8", 0.796, 23.4, 2.5, 400)
PRUNED = Candidate("pruned-int8", 0.780, 18.0, 1.4, 600)
DISTILLED = Candidate("distilled-int8", 0.790, 17.0, 1.5, 700)
BASELINE = Candidate("baseline", 0.760, 1.2, 0.3, 5000, is_baseline=True)
ALL = [FULL, INT8, PRUNED, DISTILLED, BASELINE]


def rows(selection: dict) -> dict[str, dict]:
    return {row["name"]: row for row in selection["candidates"]}


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 4).map(float)))
def test_the_front_is_what_nothing_dominates(points):
    expected = [not any((other <= point).all() and (other < point).any() for other in points) for point in points]
    np.testing.assert_array_equal(pareto_front(points), expected)


def test_the_best_within_the_budget_is_chosen():
    selection = select(ALL, Budget(max_size_mb=30, max_drop=0.015), "quality", allow_baseline=False, figure="macro-F1")
    assert selection["chosen"] == "int8"
    assert selection["parent"] == "full"
    assert selection["prefer"] == "quality"
    assert selection["budget"] == {"max_size_mb": 30, "max_latency_ms": None, "max_drop": 0.015}
    found = rows(selection)
    assert list(found) == ["full", "int8", "pruned-int8", "distilled-int8", "baseline"]
    assert {name for name, row in found.items() if row["within_budget"]} == {"int8", "distilled-int8"}
    assert found["full"]["reasons"] == ["size 91.0 MB, above max_size_mb: 30"]
    assert found["pruned-int8"]["reasons"] == ["macro-F1 0.0200 below full, above max_drop: 0.015"]
    assert found["int8"]["drop"] == pytest.approx(0.004)
    assert all(row["on_pareto_front"] for row in found.values())


@pytest.mark.parametrize(
    ("budget", "prefer", "chosen"),
    [
        (Budget(), "quality", "full"),
        (Budget(), "latency_ms", "pruned-int8"),
        (Budget(), "size_mb", "distilled-int8"),
        (Budget(max_latency_ms=2), "quality", "distilled-int8"),
        (Budget(max_size_mb=91.0, max_drop=0.0), "size_mb", "full"),  # a limit itself is allowed
    ],
)
def test_the_preference_decides_within_the_budget(budget, prefer, chosen):
    assert select(ALL, budget, prefer, allow_baseline=False, figure="macro-F1")["chosen"] == chosen


def test_the_baseline_is_shown_but_chosen_only_if_allowed():
    assert select(ALL, Budget(), "size_mb", allow_baseline=True, figure="macro-F1")["chosen"] == "baseline"
    better = Candidate("baseline", 0.81, 1.2, 0.3, 5000, is_baseline=True)
    selection = select([FULL, INT8, better], Budget(), "quality", allow_baseline=False, figure="macro-F1")
    assert selection["chosen"] == "full"
    found = rows(selection)
    assert found["baseline"]["drop"] == pytest.approx(-0.01)
    assert [name for name, row in found.items() if row["on_pareto_front"]] == ["baseline"]


def test_equals_go_to_the_faster_then_the_smaller():
    slow, fast = Candidate("a", 0.8, 20, 3, 1), Candidate("b", 0.8, 25, 2, 1)
    assert (
        select([FULL, slow, fast], Budget(max_size_mb=30), "quality", allow_baseline=False, figure="macro-F1")["chosen"]
        == "b"
    )
    small = Candidate("c", 0.8, 20, 2, 1)
    assert (
        select([FULL, fast, small], Budget(max_size_mb=30), "quality", allow_baseline=False, figure="macro-F1")[
            "chosen"
        ]
        == "c"
    )


def test_an_impossible_budget_names_the_nearest_first():
    with pytest.raises(NoVariantInBudget) as failure:
        select(ALL, Budget(max_size_mb=10), "quality", allow_baseline=False, figure="macro-F1")
    lines = str(failure.value).splitlines()
    assert lines[0] == "No recipe meets select.budget; the nearest are"
    assert lines[1] == "  distilled-int8: size 17.0 MB, above max_size_mb: 10"
    assert lines[2].startswith("  pruned-int8:")
    assert "select.budget in params.yaml" in lines[-1]

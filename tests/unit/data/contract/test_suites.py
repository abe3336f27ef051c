"""Checks are made from limits, and say them in words."""

import pytest

from tests.tiny_run import REPOSITORY
from textmill.config import load_params
from textmill.data.contract.suites import SUITES, Check, build_checks, list_left_out, say

LIMITS = load_params(REPOSITORY / "params.yaml").contract.model_dump()
NUMBERS = {"num_accounted": 10, "num_clean": 9, "min_characters": 3, "max_characters": 99}


def settings(limits, *, has_reference=True):
    return {check.setting for check in build_checks(limits, **NUMBERS, has_reference=has_reference)}


def test_every_key_of_the_contract_makes_a_check_and_null_makes_none():
    keys = {key for key, value in LIMITS.items() if isinstance(value, dict)}
    full = {key: dict(LIMITS[key]) | ({"allowed": ["a"]} if key == "labels" else {"min": 1, "max": 1}) for key in keys}
    assert settings(full) >= {f"contract.{key}" for key in keys}
    for key in keys:
        nothing = full | {key: {name: value if name == "level" else None for name, value in full[key].items()}}
        assert settings(full) - settings(nothing) == {f"contract.{key}"}


def test_levels_are_those_of_params_and_promises_always_stop():
    for check in build_checks(LIMITS, **NUMBERS, has_reference=True):
        key = (check.setting or "").removeprefix("contract.")
        assert check.level == (LIMITS[key]["level"] if key in LIMITS else "error")


def test_without_a_reference_there_is_no_drift_to_check():
    assert settings(LIMITS) - settings(LIMITS, has_reference=False) == {"contract.reference_drift"}


def test_checks_come_suite_by_suite():
    places = [SUITES.index(check.suite) for check in build_checks(LIMITS, **NUMBERS, has_reference=True)]
    assert places == sorted(places)


def test_a_number_has_no_classes():
    of_classes = {
        f"contract.{key}"
        for key in (
            "classes",
            "documents_per_class",
            "documents_per_class_and_split",
            "token_shortcut",
            "prefix_shortcut",
        )
    }
    checks = build_checks(LIMITS, **NUMBERS, has_reference=True, task="regression")
    assert settings(LIMITS) - {check.setting for check in checks} == of_classes
    limits = {key: value for key, value in LIMITS.items() if isinstance(value, dict)}
    assert set(list_left_out(limits, "regression")) == of_classes  # labels.allowed is null as shipped
    assert list_left_out(limits, "multi_label") == []
    assert any("range of the target's share in test" in check.about for check in checks)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (3, None, "at least 3"),
        (None, 0.05, "at most 0.05"),
        (3.0, 50.0, "at least 3 and at most 50"),
        (7, 7, "exactly 7"),
        (None, 1_234_567, "at most 1,234,567"),
    ],
)
def test_limits_in_words(low, high, said):
    assert Check("raw", "x", "sum", "What", None, low, high).limits() == said


def test_bounds_of_a_row_count_are_whole():
    expectation = Check("clean", None, "rows", "Documents", "contract.documents", 9.5, 20.5, "warn").expectation()
    assert (expectation.min_value, expectation.max_value) == (10, 20)
    assert expectation.severity.value == "warning"
    assert expectation.description == "Documents: at least 9.5 and at most 20.5 (only warns)"


def test_labels_of_the_user_are_not_in_data_docs():
    check = Check("classes", "unlisted", "sum", "Labels", "contract.labels", None, 0, "error", "only <b>a</b>, $b")
    assert check.limits() == "only <b>a</b>, $b"
    assert check.expectation().description == "Labels: as contract.labels says"


@pytest.mark.parametrize(
    ("value", "said"), [(3.0, "3"), (12345.5, "12,345.5"), (0.1 + 0.2, "0.3"), (1e-7, "1e-07"), ("text", "text")]
)
def test_numbers_as_people_write_them(value, said):
    assert say(value) == said

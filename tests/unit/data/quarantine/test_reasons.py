"""Every reason is explained, and every one that code gives is listed."""

from tests.repo.stages import ROOT
from textmill.data.cleaning.labels import LABEL_REASONS
from textmill.data.cleaning.texts import TEXT_REASONS
from textmill.data.quarantine.reasons import LEAKS, REASONS, REPLACED


def test_every_reason_that_is_given_is_listed():
    assert {*TEXT_REASONS, *LABEL_REASONS, *REPLACED, *LEAKS} <= set(REASONS)


def test_every_reason_says_what_it_means_and_what_helps():
    for reason in REASONS.values():
        assert reason.meaning
        assert reason.advice.endswith(".")


def test_the_guide_lists_every_reason():
    guide = (ROOT / "docs/cleaning.md").read_text(encoding="utf-8")
    assert [name for name in REASONS if f"| `{name}` |" not in guide] == []

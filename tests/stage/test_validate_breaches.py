"""Every expectation is breached at each level: `error` stops the stage with the right words, `warn` lets it pass."""

import pytest

from tests.stage.contract_breaches import LIMITS, PROMISES, TABLES
from tests.stage.stages import REPOSITORY
from textmill.config import load_params
from textmill.data.contract.suites import build_checks, build_schema_checks


@pytest.mark.parametrize("breach", [*PROMISES, *LIMITS], ids=lambda breach: breach.name)
def test_a_breach_stops_the_stage_and_leaves_what_explains_it(breach, run_validate):
    outcome = run_validate(breach.files(), breach.spoil_file, breach.reference, breach.settings("error"))
    assert outcome.status == 1
    assert {failure[:2] for failure in outcome.failures()} == set(breach.failures)
    message = " ".join(outcome.message.split())
    assert breach.said in message
    assert breach.key is None or f"(contract.{breach.key})" in message
    assert outcome.report["passed"] is False
    for path in (outcome.paths.contract_page, outcome.paths.data_docs / "index.html"):
        assert path.exists()
    assert outcome.paths.profile.exists() != (breach.failures[0][0] == "schema")
    assert not list(outcome.paths.data_docs.parent.glob(".*"))


@pytest.mark.parametrize("breach", LIMITS, ids=lambda breach: breach.name)
def test_the_same_at_level_warn_is_told_and_passes(breach, run_validate):
    outcome = run_validate(breach.files(), breach.spoil_file, breach.reference, breach.settings("warn"))
    assert outcome.status == 0, outcome.message
    assert {failure[:2] for failure in outcome.failures()} == set(breach.failures)
    warnings = [line for line in outcome.out.splitlines() if line.startswith("validate: warning: ")]
    assert len(warnings) == outcome.report["num_warnings"] == len(breach.failures)
    assert any(breach.said in line and f"(contract.{breach.key})" in line for line in warnings)
    assert outcome.report["passed"] is True


def test_every_expectation_is_breached_above():
    contract = load_params(REPOSITORY / "params.yaml").contract.model_dump()
    contract["labels"]["allowed"], contract["characters"]["min"] = ["a"], 1
    checks = build_checks(
        contract, num_accounted=1, num_clean=1, min_characters=1, max_characters=1, has_reference=True
    )
    expected = {
        (c.suite, c.column, (c.setting or "").removeprefix("contract."))
        for c in [*checks, *build_schema_checks(TABLES)]
    }
    bounds = {("splits", "num_characters", f"clean.{name}_characters") for name in ("min", "max")}
    breached = {(*breach.failures[0], breach.key or "") for breach in [*PROMISES, *LIMITS]}
    assert breached - {("splits", "num_characters", "")} == expected - bounds

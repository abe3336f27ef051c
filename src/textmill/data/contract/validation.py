"""Runs the suites in Great Expectations, and says what a breach is in our own words."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.data.contract.suites import SUITES, Check, say
from textmill.data.contract.tables import NUM_EXAMPLES, Table
from textmill.errors import UserError

if TYPE_CHECKING:
    from great_expectations.data_context.store.store import DataDocsSiteConfigTypedDict


_LOOKED_AT = 100  # rows at fault among which three of different names are shown

_MOST_CHARACTERS = 80  # of a name that is shown


class ContractBreached(UserError):
    """The data do not meet the contract."""


def validate(tables: Mapping[str, Table], checks: Sequence[Check], data_docs: Path, project: str) -> dict[str, Any]:
    """Run a suite on each table, write Data Docs into the empty folder `data_docs`, and return the report.

    Args:
        project: what Data Docs call the run.

    Returns:
        {passed, num_expectations, num_warnings, expectations: [{suite, expectation, column, setting, description,
        required, observed, passed, level, examples}]}, the same at each run on the same data. `passed` is false if an
        expectation of level error failed; num_warnings counts those of level warn that failed. Examples are ids of
        documents, labels, or columns.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site(site_name="textmill", site_config=_site(data_docs))
    source = context.data_sources.add_pandas("tables")
    rows = []
    for name in SUITES:
        wanted = [(check, check.expectation()) for check in checks if check.suite == name]
        if not wanted:
            continue
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[part for _, part in wanted]))
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        result = definition.run(
            batch_parameters={"dataframe": tables[name].rows},
            result_format={"result_format": "SUMMARY"},
            run_id=gx.RunIdentifier(run_name=project),
        )
        parts = {_name(part.expectation_config): part for part in result.results}
        assert len(parts) == len(wanted)
        rows += [
            _describe(check, parts[expectation.expectation_type, check.column], tables[name])
            for check, expectation in wanted
        ]
    context.build_data_docs(site_names=["textmill"])  # once: a checkpoint's action would build the index for each suite
    failed = [row for row in rows if not row["passed"]]
    return {
        "passed": all(row["level"] == "warn" for row in failed),
        "num_expectations": len(rows),
        "num_warnings": sum(row["level"] == "warn" for row in failed),
        "expectations": rows,
    }


def list_warnings(report: Mapping[str, Any]) -> list[str]:
    """A line for each expectation of level warn that failed."""
    return [say_failure(row) for row in report["expectations"] if not row["passed"] and row["level"] == "warn"]


def check_report(report: Mapping[str, Any]) -> None:
    """Raises: ContractBreached: an expectation of level error failed; all of them are told."""
    failed = [row for row in report["expectations"] if not row["passed"] and row["level"] == "error"]
    if not failed:
        return
    lines = [f"The data breach {len(failed)} of {report['num_expectations']} expectations of the contract:"]
    lines += [f"  {say_failure(row)}" for row in failed]
    lines.append(
        "Mend the data, or change the limits in the sections contract and clean of params.yaml if they are wrong for "
        "it; level: warn lets it pass. data/validation/contract.html shows all expectations, `textmill quarantine` the "
        "rows that were removed."
    )
    raise ContractBreached("\n".join(lines))


def say_failure(row: Mapping[str, Any]) -> str:
    """One failed expectation of a report in one line."""
    name = f"{row['suite']}.{row['column']}" if row["column"] else row["suite"]
    setting = f" ({row['setting']})" if row["setting"] else ""
    examples = f", for example {', '.join(row['examples'])}" if row["examples"] else ""
    return f"{name}{setting}: {row['description']}: found {say(row['observed'])}, allowed {row['required']}{examples}"


def _site(folder: Path) -> "DataDocsSiteConfigTypedDict":
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def _name(config: Any) -> tuple[str, str | None]:
    """What tells the expectations of a suite apart; Great Expectations puts their results into an order of its own."""
    return config.type, config.kwargs.get("column")


def _describe(check: Check, part: Any, table: Table) -> dict[str, Any]:
    """One expectation's result without run ids and times."""
    observed = _observe(part)
    note = table.notes.get(check.column or "")
    return {
        "suite": check.suite,
        "expectation": part.expectation_config.type.removeprefix("expect_"),
        "column": check.column,
        "setting": check.setting,
        "description": check.about,
        "required": check.limits(),
        "observed": f"{say(round(observed, 3))}: {note}" if note and isinstance(observed, float) else observed,
        "passed": bool(part.success),
        "level": check.level,
        "examples": [] if part.success or not isinstance(observed, float) else _find_examples(check, table, observed),
    }


def _observe(part: Any) -> float | str:
    """A number, or words where there is none."""
    for info in _list_exceptions(part):
        if info.get("raised_exception"):
            return f"not computed: {info['exception_message']}"
    value = part.result.get("observed_value")
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "nothing"  # of a table without rows
    return round(float(value), 6)


def _list_exceptions(part: Any) -> list[dict[str, Any]]:
    """GX gives one record, or one for each metric that failed."""
    info = part.exception_info or {}
    return [info] if "raised_exception" in info else list(info.values())


def _find_examples(check: Check, table: Table, observed: float) -> list[str]:
    """Names of the rows at fault, the worst first."""
    if check.column is None:
        return []
    if check.column in table.examples:
        return table.examples[check.column]
    values = table.rows[check.column].astype(float)
    is_flag = check.statistic in ("sum", "mean")
    if check.high is not None and observed > check.high:
        worst = values[values > (0 if is_flag else check.high)].nlargest(_LOOKED_AT)
    else:
        worst = values[values < (1 if is_flag else check.low or 0)].nsmallest(_LOOKED_AT)
    return [_shorten(str(key)) for key in table.keys.loc[worst.index].drop_duplicates()[:NUM_EXAMPLES]]


def _shorten(name: str) -> str:
    """An id as it is; a label may be anything."""
    line = " ".join(name.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"

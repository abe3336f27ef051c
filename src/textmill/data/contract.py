"""The data contract: Great Expectations suites over raw, clean and splits, and what a breach says.

The suites see derived tables without texts (ids, labels, lengths, counts), so that memory stays
bounded and Data Docs hold no text.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from textmill.data.splitting import SPLITS
from textmill.errors import UserError

if TYPE_CHECKING:
    from great_expectations.data_context.store.store import DataDocsSiteConfigTypedDict
    from great_expectations.expectations.expectation import Expectation

SUITES = ("raw", "clean", "classes", "splits")
# The column that names a row in a failure: a document's id, or a class.
KEYS = {"raw": "id", "clean": "id", "classes": "label", "splits": "id"}
NUM_EXAMPLES = 3


class ContractBreached(UserError):
    """The data do not meet the contract."""


@dataclass(frozen=True)
class Tables:
    """What the suites look at.

    Attributes:
        raw: id, quarantined (1 or 0).
        clean: id, label, num_characters (null where the text is), num_splits (in how many splits it lies).
        splits: id, label, split, num_splits_of_cluster.
        classes: label, num_documents, then a count and a drift (absolute difference of shares) for each split.
    """

    raw: pd.DataFrame
    clean: pd.DataFrame
    splits: pd.DataFrame
    classes: pd.DataFrame


def build_tables(
    raw_ids: "pd.Series[str]", quarantined_ids: "pd.Series[str]", clean: pd.DataFrame, splits: dict[str, pd.DataFrame]
) -> Tables:
    """Derive the tables.

    Args:
        raw_ids: ids of all rows that were ingested.
        quarantined_ids: ids of those in quarantine.
        clean: id, label and num_characters of the clean documents.
        splits: for each split, id, label and cluster of its documents.
    """
    raw = pd.DataFrame({"id": raw_ids, "quarantined": raw_ids.isin(quarantined_ids).astype(int)})
    parts = pd.concat([table.assign(split=name) for name, table in splits.items()], ignore_index=True)
    spread = parts.groupby("cluster")["split"].nunique()
    parts["num_splits_of_cluster"] = parts["cluster"].map(spread)
    places = parts["id"].value_counts()
    clean = clean.assign(num_splits=clean["id"].map(places).fillna(0).astype(int))
    counts = clean.groupby("label").size().rename("num_documents")
    classes = counts.to_frame()
    for name, table in splits.items():
        found = table.groupby("label").size().reindex(classes.index, fill_value=0)
        classes[name] = found
        classes[f"{name}_drift"] = (found / max(len(table), 1) - counts / len(clean)).abs().round(6)
    return Tables(raw, clean, parts.drop(columns="cluster"), classes.reset_index())


def build_suites(
    *,
    labels: list[str] | None,
    min_characters: int,
    max_characters: int,
    min_documents: int,
    min_documents_per_class: int,
    max_classes: int,
    max_quarantine_share: float,
    max_label_drift: float,
) -> dict[str, list["Expectation"]]:
    """The expectations of each suite; the limits are those of the sections clean and contract in params.yaml."""
    from great_expectations import expectations as gxe

    def unique_ids() -> list[Any]:
        return [gxe.ExpectColumnValuesToNotBeNull(column="id"), gxe.ExpectColumnValuesToBeUnique(column="id")]

    known = [gxe.ExpectColumnValuesToBeInSet(column="label", value_set=sorted(labels))] if labels else []
    return {
        "raw": [
            gxe.ExpectTableRowCountToBeBetween(min_value=min_documents),
            *unique_ids(),
            gxe.ExpectColumnMeanToBeBetween(column="quarantined", max_value=max_quarantine_share),
        ],
        "clean": [
            gxe.ExpectTableRowCountToBeBetween(min_value=min_documents),
            *unique_ids(),
            gxe.ExpectColumnValuesToNotBeNull(column="num_characters"),
            gxe.ExpectColumnValuesToBeBetween(
                column="num_characters", min_value=min_characters, max_value=max_characters
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="label"),
            *known,
            gxe.ExpectColumnValuesToBeBetween(column="num_splits", min_value=1, max_value=1),
        ],
        "classes": [
            gxe.ExpectTableRowCountToBeBetween(min_value=2),
            gxe.ExpectTableRowCountToBeBetween(max_value=max_classes),
            gxe.ExpectColumnValuesToBeBetween(column="num_documents", min_value=min_documents_per_class),
            *(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=1) for name in SPLITS),
            *(gxe.ExpectColumnValuesToBeBetween(column=f"{name}_drift", max_value=max_label_drift) for name in SPLITS),
        ],
        "splits": [
            *unique_ids(),
            gxe.ExpectColumnValuesToBeBetween(column="num_splits_of_cluster", min_value=1, max_value=1),
        ],
    }


def validate(tables: Tables, suites: dict[str, list["Expectation"]], data_docs: Path) -> dict[str, Any]:
    """Run the suites, write Data Docs into the empty folder `data_docs`, and return the report.

    Returns:
        {passed, num_expectations, expectations: [{suite, expectation, column, required, observed, passed, level,
        examples}]}, the same at each run on the same data; examples are ids of documents, or labels.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site(site_name="textmill", site_config=_site(data_docs))
    source = context.data_sources.add_pandas("tables")
    rows = []
    for name in SUITES:
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=suites[name]))
        assert len(suite.expectations) == len(suites[name])
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        result = definition.run(
            batch_parameters={"dataframe": getattr(tables, name)},
            result_format={"result_format": "SUMMARY", "unexpected_index_column_names": [KEYS[name]]},
        )
        rows += [_describe(name, part) for part in result.results]
    context.build_data_docs(site_names=["textmill"])  # once: a checkpoint's action would build the index for each suite
    assert len(rows) == sum(map(len, suites.values()))
    return {"passed": all(row["passed"] for row in rows), "num_expectations": len(rows), "expectations": rows}


def check(report: dict[str, Any]) -> None:
    """Raises: ContractBreached: an expectation of the report failed; all of them are told."""
    failed = [row for row in report["expectations"] if not row["passed"]]
    if not failed:
        return
    lines = [f"The data breach {len(failed)} of {report['num_expectations']} expectations of the contract:"]
    for row in failed:
        subject = f"{row['suite']}.{row['column']}" if row["column"] else row["suite"]
        examples = f" (for example {', '.join(row['examples'])})" if row["examples"] else ""
        lines.append(f"  {subject}: {row['expectation']}: found {row['observed']}, allowed {row['required']}{examples}")
    lines.append(
        "Mend the data, or change the limits in the sections contract and clean of params.yaml if they are wrong for "
        "it. data/validation/report.json has the whole list, data/validation/data_docs/index.html the details."
    )
    raise ContractBreached("\n".join(lines))


def _site(folder: Path) -> "DataDocsSiteConfigTypedDict":
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def _describe(suite: str, part: Any) -> dict[str, Any]:
    """One expectation's result without run ids and times."""
    config = part.expectation_config
    limits = {"min_value": "at least", "max_value": "at most", "value_set": "one of"}
    given = {key: config.kwargs[key] for key in limits if config.kwargs.get(key) is not None}
    required = [f"{limits[key]} {_say(value)}" for key, value in given.items()]
    return {
        "suite": suite,
        "expectation": config.type.removeprefix("expect_"),
        "column": config.kwargs.get("column"),
        "required": " and ".join(required) or "every row",
        "observed": _observed(part),
        "passed": bool(part.success),
        "level": "block",
        "examples": _examples(suite, part),
    }


def _observed(part: Any) -> Any:
    fault = next((info["exception_message"] for info in _exceptions(part) if info.get("raised_exception")), None)
    if fault is not None:
        return f"not computed: {fault}"
    if part.result.get("observed_value") is not None:
        return _plain(part.result["observed_value"])
    worst = part.result.get("partial_unexpected_list") or []
    values = f", such as {_say(worst[:NUM_EXAMPLES])}" if worst else ""
    return f"{part.result.get('unexpected_count', 0)} of {part.result.get('element_count', 0)} rows fail{values}"


def _exceptions(part: Any) -> list[dict[str, Any]]:
    """GX gives one record, or one for each metric that failed."""
    info = part.exception_info or {}
    return [info] if "raised_exception" in info else list(info.values())


def _examples(suite: str, part: Any) -> list[str]:
    found = part.result.get("partial_unexpected_index_list") or []
    keys = [str(row[KEYS[suite]]) if isinstance(row, dict) else str(row) for row in found]
    return sorted(set(keys))[:NUM_EXAMPLES]


def _say(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_say, value))
    return f"{value:.12g}" if isinstance(value, (int, float)) else str(value)


def _plain(value: Any) -> Any:
    """A value that JSON can hold: numpy scalars become Python's, numbers that are none become null."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if isinstance(value, (int, str, bool, type(None))) else json.loads(json.dumps(value, default=str))

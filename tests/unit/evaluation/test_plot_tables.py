"""The tables of DVC's plots, of a real report and of one without parts; the plots of dvc.yaml name their columns."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.corpora import movie_reviews
from tests.tiny_bundle import tiny_bundle
from tests.tiny_case import REPOSITORY, settings
from textmill.evaluation.plot_tables import COLUMNS, plot_tables
from textmill.evaluation.report import evaluate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the evaluation on test writes."""
    root: Path = tmp_path_factory.mktemp("evaluation")
    documents = movie_reviews()
    bundle = tiny_bundle(root / "bundle", documents[:1000], noise=0.3)
    fitted = evaluate(bundle, documents[1000:1200], settings(), split="validation").report
    found = evaluate(bundle, documents[1200:1400].reset_index(drop=True), settings(), split="test", fitted=fitted)
    found.write(root / "full")
    return root / "full"


def test_the_tables_hold_what_the_report_says(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    tables = {name: pd.read_csv(folder / "plots" / f"{name}.csv") for name in COLUMNS}
    for name, table in tables.items():
        assert list(table.columns) == COLUMNS[name]
        assert len(table), name
    f1 = tables["per_class"].set_index("label")
    assert f1["f1"].to_dict() == {label: row["f1"] for label, row in report["per_class"].items()}
    assert f1["high"].to_dict() == {label: row["f1_high"] for label, row in report["per_class"].items()}
    for name, part, figure in (("slices", "slices", "difference"), ("robustness", "robustness", "drop")):
        rows = report[part]["rows"]
        assert tables[name][[figure, "low", "high"]].to_numpy().tolist() == [
            [row[figure], row[f"{figure}_low"], row[f"{figure}_high"]] for row in rows
        ]
    assert set(tables["slices"]["slice"]) >= {"label: negative", "label: positive"}
    assert tables["throughput"].to_dict("records") == report["efficiency"]["throughput"]
    assert tables["risk_coverage"]["risk"].tolist() == [row["risk"] for row in report["selective"]["curve"]]


@pytest.mark.parametrize("report", [{}, {"skipped": "r"}, dict.fromkeys(("slices", "selective", "per_class"))])
def test_a_part_that_is_missing_has_no_rows(report: dict[str, Any]) -> None:
    for name, table in plot_tables(report).items():
        assert list(table.columns) == COLUMNS[name]
        assert not len(table)


def test_the_plots_of_dvc_name_columns_that_there_are(folder: Path) -> None:
    """And templates that there are: DVC only warns, and draws nothing."""
    written = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["plots"]
    seen = 0
    for plot in written:
        ((_, how),) = plot.items()
        axes = [axis for axis in (how["x"], how["y"]) if isinstance(axis, dict)]
        of_evaluation = [(file, column) for axis in axes for file, column in axis.items() if "reports/test/" in file]
        for file, column in of_evaluation:
            name = file.split("/", 3)[3]
            columns = pd.read_csv(folder / name).columns
            assert column in columns, (file, column)
            assert isinstance(how["x"], dict) or how["x"] in columns, (file, how["x"])
            seen += 1
    assert seen >= 9
    template = json.loads((REPOSITORY / ".dvc/plots/interval.json").read_text())
    assert template["data"]["values"] == "<DVC_METRIC_DATA>"
    used = {how.get("template") for plot in written for how in plot.values()}
    assert used <= {None, "scatter", "confusion", "interval"}

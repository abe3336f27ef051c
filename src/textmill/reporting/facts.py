"""What the reports say, gathered once for the page, the model card and the summary.

Files are read by the names that params.yaml gives, never by listing a folder: a removed recipe leaves its
reports behind.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from textmill.artifacts import iter_table, read_json, read_table
from textmill.config import Params
from textmill.paths import Paths
from textmill.reporting.comparison import Comparison, compare

BASELINE = "baseline"
_MOST_MISTAKES = 12


@dataclass(frozen=True)
class Facts:
    """Everything that is told about a run.

    Attributes:
        models: a row per recipe and the baseline: name, test metrics, and `selection`, its row of selection.json.
        chosen: the chosen model's row of `models`.
        report: the chosen model's report.json on the test split.
        registration: reports/registration.json.
        comparison: the chosen model against TF-IDF.
    """

    params: Params
    models: list[dict[str, Any]]
    chosen: dict[str, Any]
    selection: dict[str, Any]
    report: dict[str, Any]
    registration: dict[str, Any]
    comparison: Comparison

    @property
    def version(self) -> int:
        """The chosen model's registered version."""
        return int(self.registration["versions"]["chosen"]["version"])

    @property
    def chosen_is_baseline(self) -> bool:
        return bool(self.chosen["name"] == BASELINE)

    @property
    def hardware(self) -> str:
        """What the speeds were measured on."""
        of = self.report["hardware"]
        return f"{of['cpu']}, {of['cores']} cores, {of['memory_gb']:.0f} GB, onnxruntime {of['onnxruntime']}"

    @property
    def headline(self) -> str:
        """The run in one sentence, with what TF-IDF does beside it."""
        chosen = self.chosen
        return (
            f"{chosen['name']}: macro-F1 {chosen['f1_macro']:.3f} [{chosen['f1_macro_low']:.3f}, "
            f"{chosen['f1_macro_high']:.3f}] on {chosen['num_documents']} test documents, {chosen['size_mb']:.1f} MB, "
            f"{chosen['latency_p50_ms']:.1f} ms. {self.comparison.sentence}"
        )

    @property
    def alias(self) -> str | None:
        """`champion` or `challenger`, if the chosen version is one."""
        for alias in ("champion", "challenger"):
            if self.registration[f"{alias}_version"] == self.version:
                return alias
        return None


def gather(params: Params, paths: Paths) -> Facts:
    """Raises: MissingArtifact: a stage has not run."""
    selection = read_json(paths.selection)
    candidates = {row["name"]: row for row in selection["candidates"]}
    models = [
        {"name": name, **read_json(paths.evaluation("test", name) / "metrics.json"), "selection": candidates[name]}
        for name in (*params.compress.recipes, BASELINE)
    ]
    by_name = {row["name"]: row for row in models}
    chosen = by_name[selection["chosen"]]
    report = read_json(paths.evaluation("test", chosen["name"]) / "report.json")
    columns = ["id", "label", "predicted"]
    tables = [
        read_table(paths.evaluation("test", name) / "predictions.parquet", columns)
        for name in (selection["chosen"], BASELINE)
    ]
    return Facts(
        params=params,
        models=models,
        chosen=chosen,
        selection=selection,
        report=report,
        registration=read_json(paths.registration),
        comparison=compare(
            chosen,
            by_name[BASELINE],
            (tables[0], tables[1]),
            margin=params.gate.margin,
            confidence=report["confidence"],
            num_resamples=report["settings"]["num_resamples"],
            seed=params.seed,
        ),
    )


def read_mistakes(paths: Paths, name: str) -> list[dict[str, Any]]:
    """The wrong predictions that a model was surest of, with their texts."""
    answers = read_table(paths.evaluation("test", name) / "predictions.parquet")
    answers["confidence"] = answers.filter(regex=r"^p\d+$").max(axis=1)
    wrong = answers[answers["label"] != answers["predicted"]].nlargest(_MOST_MISTAKES, "confidence")
    ids = set(wrong["id"])
    texts = pd.concat(batch.loc[batch["id"].isin(ids), ["id", "text"]] for batch in iter_table(paths.split("test")))
    rows = wrong[["id", "label", "predicted", "confidence"]].merge(texts, on="id", how="left").to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]

"""What the reports say, gathered once for the page, the model card and the summary.

Files are read by the names that params.yaml gives, never by listing a folder: a removed recipe leaves its
reports behind.
"""

from dataclasses import dataclass
from typing import Any

from textmill.artifacts import read_json
from textmill.config import Params
from textmill.evaluation.primary import name_primary
from textmill.paths import BASELINE, Paths
from textmill.reporting.comparison import TFIDF, Comparison, compare
from textmill.tasks import Task


@dataclass(frozen=True)
class Facts:
    """Everything that is told about a run.

    Attributes:
        models: a row per recipe that was not skipped, and the baseline: name, test metrics, and `selection`, its row
            of selection.json.
        chosen: the chosen model's row of `models`.
        skipped: why each of the other recipes made nothing.
        reports: report.json on the test split of each of `models`, by name.
        registration: reports/registration.json.
        pairs: reports/comparison.json, every model against every other.
        comparison: the chosen model against TF-IDF.
    """

    params: Params
    models: list[dict[str, Any]]
    chosen: dict[str, Any]
    skipped: dict[str, str]
    selection: dict[str, Any]
    reports: dict[str, dict[str, Any]]
    registration: dict[str, Any]
    pairs: dict[str, Any]
    comparison: Comparison

    @property
    def report(self) -> dict[str, Any]:
        """That of the chosen model."""
        return self.reports[self.chosen["name"]]

    @property
    def task(self) -> Task:
        task: Task = self.report["task"]
        return task

    @property
    def figure(self) -> str:
        """The score in words."""
        return name_primary(self.task)

    @property
    def version(self) -> int:
        """The chosen model's registered version."""
        return int(self.registration["versions"]["chosen"]["version"])

    @property
    def chosen_is_baseline(self) -> bool:
        return bool(self.chosen["name"] == BASELINE)

    @property
    def chosen_is_tfidf(self) -> bool:
        """Whether it is the baseline, or `full` of the family that is the baseline."""
        return bool(self.report["family"] == TFIDF)

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
            f"{chosen['name']}: {self.figure} {chosen['score']:.3f} [{chosen['score_low']:.3f}, "
            f"{chosen['score_high']:.3f}] on {chosen['num_documents']} test documents, {chosen['size_mb']:.1f} MB, "
            f"{chosen['latency_p50_ms']:.1f} ms. {self.comparison.sentence}"
        )

    @property
    def alias(self) -> str | None:
        """`champion` or `challenger`, if the chosen version is one."""
        for alias in ("champion", "challenger"):
            if self.registration[f"{alias}_version"] == self.version:
                return alias
        return None


def name_model(name: str) -> str:
    """A model for people."""
    return "TF-IDF" if name == BASELINE else name


def gather(params: Params, paths: Paths) -> Facts:
    """Raises: MissingArtifact: a stage has not run."""
    selection = read_json(paths.selection)
    candidates = {row["name"]: row for row in selection["candidates"]}
    skipped = selection["skipped"]
    models = [
        {"name": name, **read_json(paths.evaluation("test", name) / "metrics.json"), "selection": candidates[name]}
        for name in (*params.compress.recipes, BASELINE)
        if name not in skipped
    ]
    by_name = {row["name"]: row for row in models}
    chosen, pairs = by_name[selection["chosen"]], read_json(paths.comparison)
    reports = {name: read_json(paths.evaluation("test", name) / "report.json") for name in by_name}
    family = reports[chosen["name"]]["family"]
    return Facts(
        params=params,
        models=models,
        chosen=chosen,
        skipped=skipped,
        selection=selection,
        reports=reports,
        registration=read_json(paths.registration),
        pairs=pairs,
        comparison=compare(pairs, {**chosen, "family": family}, by_name[BASELINE]),
    )

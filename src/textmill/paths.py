"""Every file that a stage reads or writes, in one place."""

import os
from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "validation", "test")
BASELINE = "baseline"  # the model that is there beside the recipes, whatever these are


@dataclass(frozen=True)
class Paths:
    """`root` holds outputs, which DVC owns; `state` holds what outlives a run.

    The two differ inside `dvc exp run --temp`, which works in a clone that is deleted: DVC sets
    `DVC_ROOT` to the user's repository, and the registry and the study belong there.
    """

    root: Path
    state: Path

    @classmethod
    def here(cls) -> "Paths":
        root = Path.cwd()
        return cls(root=root, state=Path(os.environ.get("DVC_ROOT") or root))

    # Inputs
    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def presets(self) -> Path:
        return self.root / "presets"

    @property
    def contract_lock(self) -> Path:
        """The frozen reference of the data contract, which is committed."""
        return self.root / "contract.lock.yaml"

    # Data
    @property
    def raw_documents(self) -> Path:
        return self.root / "data/raw/documents.parquet"

    @property
    def source(self) -> Path:
        return self.root / "data/raw/source.json"

    @property
    def corrections(self) -> Path:
        """The labels that data.label_corrections replaces."""
        return self.root / "data/raw/corrections.parquet"

    @property
    def clean_documents(self) -> Path:
        return self.root / "data/clean/documents.parquet"

    @property
    def quarantine(self) -> Path:
        return self.root / "data/clean/quarantine.parquet"

    @property
    def clean_summary(self) -> Path:
        return self.root / "data/clean/summary.json"

    def split(self, name: str) -> Path:
        """The documents of `train`, `validation` or `test`."""
        return self.root / f"data/splits/{name}.parquet"

    @property
    def folds(self) -> Path:
        """The fold of each document of the train split."""
        return self.root / "data/splits/folds.parquet"

    @property
    def profile(self) -> Path:
        """What the contract saw: what `textmill contract freeze` makes the reference."""
        return self.root / "data/validation/profile.json"

    @property
    def contract_page(self) -> Path:
        return self.root / "data/validation/contract.html"

    @property
    def validation_report(self) -> Path:
        return self.root / "data/validation/report.json"

    @property
    def data_docs(self) -> Path:
        return self.root / "data/validation/data_docs"

    @property
    def tokens(self) -> Path:
        return self.root / "data/tokens"

    @property
    def out_of_fold(self) -> Path:
        """The baseline's out-of-fold probabilities on the train split."""
        return self.root / "data/out_of_fold.parquet"

    @property
    def label_issues(self) -> Path:
        return self.root / "data/audit/label_issues.parquet"

    @property
    def label_audit(self) -> Path:
        return self.root / "data/audit/summary.json"

    # Models
    def model(self, name: str) -> Path:
        return self.root / "models" / name

    def bundle(self, name: str) -> Path:
        return self.model(name) / "bundle"

    @property
    def pretrained(self) -> Path:
        """pretrained.json, and where pretrain.objective asks for it the encoder that tune and train start from."""
        return self.root / "models/pretrained"

    @property
    def best(self) -> Path:
        """The values that train takes; nothing else, so that more trials with the same best rerun nothing."""
        return self.root / "models/search/best.json"

    @property
    def study(self) -> Path:
        """All trials of the search."""
        return self.root / "models/search/study.json"

    # Reports
    def evaluation(self, split: str, name: str) -> Path:
        """The folder of one model's figures on one split: `validation` or `test`."""
        return self.root / "reports" / split / name

    @property
    def crossvalidation(self) -> Path:
        return self.root / "reports/crossvalidation.json"

    @property
    def selection(self) -> Path:
        return self.root / "reports/selection.json"

    @property
    def pareto(self) -> Path:
        return self.root / "reports/pareto.csv"

    @property
    def comparison(self) -> Path:
        """Every model against every other on the test split."""
        return self.root / "reports/comparison.json"

    @property
    def diagnosis(self) -> Path:
        """Mistakes of the chosen model on the test split, with explanations."""
        return self.root / "reports/diagnosis.json"

    @property
    def registration(self) -> Path:
        return self.root / "reports/registration.json"

    @property
    def page(self) -> Path:
        return self.root / "reports/page/index.html"

    @property
    def search_page(self) -> Path:
        return self.root / "reports/page/search.html"

    @property
    def card(self) -> Path:
        return self.root / "reports/page/model_card.md"

    @property
    def compression_search(self) -> Path:
        """What `textmill compress` found last."""
        return self.root / "reports/compression_search.json"

    # State
    @property
    def mlflow_database(self) -> Path:
        return self.state / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.state / "mlruns"

    @property
    def study_database(self) -> Path:
        return self.state / "optuna.db"

    @property
    def budget_search(self) -> Path:
        """What `textmill compress` made and measured, in a folder for each full model."""
        return self.state / ".textmill/budget_search"

    def checkpoints(self, key: str) -> Path:
        """Training state of the artefact with this lineage key."""
        return self.state / ".textmill/checkpoints" / key

    @property
    def answers(self) -> Path:
        """What teachers answered, for every recipe that has the same teacher and documents."""
        return self.state / ".textmill/answers"

    def lock(self, name: str) -> Path:
        return self.state / f".textmill/locks/{name}.lock"

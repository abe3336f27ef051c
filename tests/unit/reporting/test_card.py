"""The model card of every task: the hub's header and sections, and unknown what was not measured."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard

from tests.card_text import card_of, carded_run, changed, report_of, tables
from textmill.artifacts import read_json
from textmill.config import load_params
from textmill.paths import Paths

TASKS = ("single_label", "multi_label", "regression")
PARTS = ("slices", "weak_slices", "fairness", "robustness", "checks", "shift", "selective", "conformal", "efficiency")


@pytest.fixture(scope="module", params=TASKS)
def run_of_task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return carded_run(tmp_path_factory.mktemp(request.param), request.param)


def test_the_hub_reads_the_header(run_of_task: Paths) -> None:
    card = ModelCard(card_of(run_of_task))
    metrics = read_json(run_of_task.evaluation("test", "int8") / "metrics.json")
    keys = {"Macro F1": "f1_macro", "Micro F1": "f1_micro", "Accuracy": "accuracy", "R squared": "r2"}
    results = card.data.eval_results
    assert results
    for result in results:
        assert result.task_type == card.data.pipeline_tag == "text-classification"
        assert result.dataset_split == "test"
        if result.metric_name in keys:
            assert result.metric_value == round(metrics[keys[result.metric_name]], 4)
    assert {result.metric_type for result in results} == set(card.data.metrics)
    assert card.data.model_name == load_params(run_of_task.params).project
    assert card.data.license == "unknown"
    assert "base_model" not in card.data.to_dict(), "the weights are none of the hub's"
    again = ModelCard(f"---\n{card.data.to_yaml()}\n---\n")
    assert again.data.to_dict() == card.data.to_dict()


def test_the_sections_are_the_hubs(run_of_task: Paths) -> None:
    template = Path(huggingface_hub.__file__).parent / "templates/modelcard_template.md"
    wanted = [line.replace(" [optional]", "") for line in template.read_text().splitlines() if line.startswith("##")]
    assert len(wanted) > 30
    found = [line for line in card_of(run_of_task).splitlines() if line.startswith("##")]
    not_measured = {"## Model Examination"}
    assert [heading for heading in found if heading in wanted] == [name for name in wanted if name not in not_measured]
    assert set(found) - set(wanted) <= {
        f"#### {name}"
        for name in ("Calibration", "Other models on the same documents", "Slices", "Fairness", "Robustness", "Shift")
    }


def test_every_row_of_a_table_has_the_cells_of_its_header(run_of_task: Paths) -> None:
    found = tables(card_of(run_of_task))
    assert len(found) >= 8
    for table in found:
        assert {len(row) for row in table} == {len(table[0])}, table[0]


def test_no_figure_is_of_another_task(run_of_task: Paths) -> None:
    card = card_of(run_of_task)
    task = load_params(run_of_task.params).task
    assert ("macro-F1" in card.replace("Macro", "macro")) == (task != "regression")
    assert ("R²" in card) == (task == "regression")
    assert ("calibrated with temperature" in card) == (task != "regression")
    assert ("Threshold" in card) == (task == "multi_label")


def test_what_was_not_measured_is_unknown(run_of_task: Paths) -> None:
    card = changed(run_of_task, report_of(run_of_task), **dict.fromkeys(PARTS))
    for part in (
        "Fairness across groups of people: unknown, not measured",
        "**Weak spots.** Unknown, no slices were compared",
        "**Spoilt texts.** Unknown, not measured",
        "Unknown: no threshold was measured",
        "- **Energy of an answer:** unknown, not measured",
        "| Start of a process to its first answer | unknown |",
        "- **License:** unknown",
        "- **Carbon Emitted:** unknown",
    ):
        assert part in card, part
    for heading in ("#### Slices", "#### Robustness", "#### Shift", "#### Fairness"):
        assert heading not in card

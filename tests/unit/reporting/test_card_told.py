"""What the model card tells: figures that are those of the reports, and no text of the data as markup."""

import pytest
from huggingface_hub import ModelCard

from tests.card_text import card_of, carded_run, changed, report_of, table_under, tables
from tests.tiny_run import write_params
from textmill.artifacts import read_json
from textmill.config import load_params
from textmill.paths import Paths
from textmill.reporting.card import say_duration

HOSTILE = "`a`\n# b | <script>alert('x')</script> & \"friends\""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return carded_run(tmp_path_factory.mktemp("card"), "single_label")


def test_the_figures_are_those_of_the_reports(run: Paths) -> None:
    card, report = card_of(run), read_json(report_of(run))
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    figures = {row[0]: row[1:] for row in table_under(card, "Figure", "Value")}
    interval = report["intervals"]["accuracy"]
    assert figures["Accuracy"] == [f"{metrics['accuracy']:.3f}", f"{interval['low']:.3f}", f"{interval['high']:.3f}"]
    assert figures["Log loss"][0] == f"{metrics['log_loss']:.3f}"
    per_class = {row[0]: row for row in table_under(card, "Label", "Precision")}
    assert per_class["positive"][3] == f"{report['per_class']['positive']['f1']:.3f}"
    lowest = min(report["slices"]["rows"], key=lambda row: row["difference"])
    assert table_under(card, "Column", "Value")[0][:3] == [
        lowest["column"],
        lowest["value"],
        str(lowest["num_documents"]),
    ]
    spoilt = {row[0].replace(" ", "_").partition(":")[0]: row for row in table_under(card, "What is done")}
    assert set(spoilt) == {row["perturbation"] for row in report["robustness"]["rows"]}
    for row in report["robustness"]["rows"]:
        assert spoilt[row["perturbation"]][2] == str(row["num_changed"])
    others = {row[0]: row[-1] for row in table_under(card, "Other", "Difference")}
    assert others == {"full": "equivalent", "TF-IDF": "better"}
    assert f"of {report['efficiency']['parameters']:,} parameters" in card
    assert f"AUROC of {report['shift']['max_softmax']['auroc']:.3f}" in card


def test_the_opening_table(run: Paths) -> None:
    metrics = read_json(run.evaluation("test", "int8") / "metrics.json")
    card = card_of(run)
    assert f"| Macro-F1 on test | {metrics['f1_macro']:.3f} (95 % interval" in card
    assert "| Registered as | `tiny` version 2, champion |" in card
    assert card.endswith("\n")


def test_the_data_are_told(run: Paths) -> None:
    trained = {"kind": "trained", "algorithm": "bpe", "lowercase": False, "num_documents": 12}
    card = changed(run, run.tokens / "tokens.json", tokenizer=trained)
    assert "longer than 64 tokens (of a tokenizer that was trained on these data) are cut" in card
    assert "1 of 2 expectations of the data contract were met; not met: Best token of positive" in card
    card = changed(run, run.source, given_splits={"train": 4000, "test": 1010})
    assert "The source says which rows are train, test; 3 rows that equal or nearly equal a document" in card
    card = changed(run, run.clean_summary, labels={"a|b": 1, "two\nlines": 2})
    assert table_under(card, "Label", "Documents kept") == [["a\\|b", "1"], ["two lines", "2"]]


def test_a_shorter_length_that_was_found_is_the_models(run: Paths) -> None:
    described = run.model("trained") / "torch/model.json"
    described.parent.mkdir(exist_ok=True)
    try:
        card = changed(run, described, max_length=32, truncated_share=0.51)
    finally:
        described.parent.rmdir()
    assert "Texts longer than 32 tokens are cut; that was so for 51.0 %" in card
    assert "Unknown: they are not among the reports." in card


@pytest.mark.parametrize(
    ("strategy", "words"),
    [("windows", "are read in up to 8 windows, whose answers are averaged"), ("head_tail", "are cut in their middle")],
)
def test_what_is_read_of_a_long_text(run: Paths, strategy: str, words: str) -> None:
    long_documents = {"strategy": strategy, "head_share": 0.25, "overlap": 16, "max_windows": 8}
    assert words in changed(run, run.tokens / "tokens.json", long_documents=long_documents)


def test_a_threshold_that_keeps_the_risk_is_recommended(run: Paths) -> None:
    selective = read_json(report_of(run))["selective"]
    told = {"threshold": 0.81, "coverage": 0.62, "risk": 0.04, "risk_low": 0.021, "risk_high": 0.067, "max_risk": 0.05}
    card = changed(run, report_of(run), selective={**selective, **told})
    assert "below 0.810 to a person: on the test split the model then answers 62.0 % of the documents, and" in card
    assert "4.0 % of these answers are wrong (2.1 % to 6.7 %)" in card
    none = {**selective, "threshold": None, "coverage": None, "risk": None}
    assert "No threshold of the highest probability keeps" in changed(run, report_of(run), selective=none)


def test_fairness_names_its_columns(run: Paths) -> None:
    row = {"name": "equalized_odds_difference", "label": None, "value": 0.21, "low": 0.05, "high": 0.33}
    row |= {"chance": 0.14}
    labels = [{**row, "label": f"label{number}", "value": 0.13 + number / 100} for number in range(7)]
    fairness = {"region": {"groups": [], "differences": [*labels, row, {**row, "name": "accuracy_difference"}]}}
    card = changed(run, report_of(run), fairness=fairness)
    assert "Groups of region." in card
    rows = table_under(card, "Column", "Largest difference")
    assert rows[0] == ["region", "equalized odds difference", "", "0.210", "0.050", "0.330", "0.140"]
    assert [told[2] for told in rows[1:6]] == ["label6", "label5", "label4", "label3", "label2"], "above their chance"
    assert rows[6:] == [["region", "accuracy difference", "", "0.210", "0.050", "0.330", "0.140"]]
    assert "Of other groups nothing is known" in card


def test_only_what_leaves_the_meaning_is_called_a_fault(run: Paths) -> None:
    row = {"score_before": 0.8, "score": 0.7, "drop_low": 0.02, "drop_high": 0.3, "num_changed": 20, "flips": 4}
    rows = [
        {**row, "perturbation": "negation", "does": "negated", "expects": "may change", "drop": 0.4},
        {**row, "perturbation": "typos", "does": "a typing error", "expects": "same", "drop": 0.1},
        {**row, "perturbation": "casing", "does": "all capitals", "expects": "same", "drop": 0.0},
    ]
    card = changed(run, report_of(run), robustness={"num_documents": 20, "rows": rows})
    assert "by what leaves the meaning as it is: 0.100 (0.020 to 0.300), by typos (a typing error)." in card
    assert table_under(card, "What is done")[0][:4] == ["negation: negated", "may change", "20", "0.400"]
    only = changed(run, report_of(run), robustness={"num_documents": 20, "rows": rows[:1]})
    assert "- **Spoilt texts.** Unknown, not measured." in only


def test_what_was_counted_is_told_beside_shares(run: Paths) -> None:
    card, report = card_of(run), read_json(report_of(run))
    shift, conformal = report["shift"], report["conformal"]
    assert f"{shift['num_texts']} texts of another domain" in card
    assert f"told from {shift['num_documents']} test documents" in card
    expected = [f"{100 * conformal[key]:.1f} %" for key in ("expected_low", "expected_high")]
    assert f"{' to '.join(expected)} are expected of documents like those of the validation split" in card


def test_hyperparameters_say_who_set_them(run: Paths) -> None:
    """The search of `write_model_reports` found training.batch_size 16; trial 0 is its best."""
    described = run.model("trained") / "torch/model.json"
    described.parent.mkdir(exist_ok=True)
    found = {"learning_rate": 2.5e-05, "dropout": 0.1}
    try:
        card = changed(run, described, hyperparameters=found, max_length=64, truncated_share=None)
    finally:
        described.parent.rmdir()
    rows = {row[0]: row[1:] for row in table_under(card, "Key", "Value")}
    assert rows["learning\\_rate"] == ["2.5e-05", "trial 0 of the search"]
    assert rows["training.batch\\_size"] == ["16", "trial 0 of the search"]
    assert rows["training.accumulate"][1] == "params.yaml"
    assert rows["training.packing"][0] == "false"
    assert rows["training.lora"][0] == "null"
    assert table_under(card, "Key", "Used", "Written") == [["training.batch\\_size", "16", "32"]]


def test_weights_of_the_hub_are_the_base_model(run: Paths) -> None:
    """A transformer that was fine-tuned from them; `report.json` says the family."""
    model = load_params(run.params).model.model_dump()
    try:
        write_params(run, model={**model, "weights": "hf://org/encoder@v1"})
        card = changed(run, report_of(run), family="transformer")
        write_params(run, model={**model, "weights": "hf://org/encoder@v1", "family": "lstm"})
        words = changed(run, report_of(run), family="lstm")
    finally:
        write_params(run)
    assert ModelCard(card).data.base_model == "org/encoder"
    assert "- **Finetuned from model:** fine-tuned from hf://org/encoder@v1" in card
    assert "- **Finetuned from model:** word vectors of hf://org/encoder@v1" in words


def test_scripts_are_told(run: Paths) -> None:
    card = changed(run, run.profile, scripts={"Latin": 0.98, HOSTILE: 0.02}, sample=1447)
    assert "by their letters, of 1,447 texts looked at 98.0 % are Latin, 2.0 % are" in card
    assert "<script" not in card


def test_nothing_of_the_data_is_markup(run: Paths) -> None:
    report = read_json(report_of(run))
    row, slice_ = report["per_class"]["positive"], report["slices"]["rows"][0]
    hostile_parts = {
        "labels": [HOSTILE, "positive"],
        "per_class": dict.fromkeys([HOSTILE, "p"], row),
        "slices": {**report["slices"], "rows": [{**slice_, "column": HOSTILE, "value": HOSTILE, "weak": True}]},
        "shift": {**report["shift"], "source": HOSTILE},
        "checks": {"rows": [{"name": HOSTILE, "passed": False}]},
    }
    card = changed(run, report_of(run), **hostile_parts)
    assert ModelCard(card).data.license == "unknown"
    body = card.split("---\n", 2)[2]
    assert "<script" not in body
    assert "\n# b" not in body
    assert body.count("\\`a\\` # b \\| &lt;script&gt;") == 9
    for table in tables(card):
        assert {len(cells) for cells in table} == {len(table[0])}, table[0]


def test_nothing_of_the_source_is_markup(run: Paths) -> None:
    source, clean = {"uri": HOSTILE, "where": HOSTILE}, {"labels": {HOSTILE: 1}}
    for file, values in ((run.source, source), (run.clean_summary, clean)):
        card = changed(run, file, **values)
        assert ModelCard(card).data.license == "unknown"
        body = card.split("---\n", 2)[2]
        assert "<script" not in body
        assert "\n# b" not in body
        assert "\\`a\\` # b \\| &lt;script&gt;" in body


def test_the_faithfulness_of_explanations(run: Paths) -> None:
    rows = [{"method": "integrated_gradients", "auc": 0.61, "random": 0.83}]
    card = changed(run, run.diagnosis, faithfulness=rows)
    assert "## Model Examination" in card
    assert table_under(card, "Method", "Area") == [["integrated\\_gradients", "0.610", "0.830"]]


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.2, "4 seconds"), (119, "119 seconds"), (150, "2.5 minutes"), (8000, "2.2 hours")]
)
def test_durations(seconds: float, words: str) -> None:
    assert say_duration(seconds) == words


def test_weak_slices_are_counted_and_their_words_are_not_shown(run: Paths) -> None:
    row = {"conditions": [{"feature": "word", "value": "secret"}], "num_documents": 30, "num_errors": 20}
    found = {"rows": [row, row], "num_tested": 100, "correction": "Holm"}
    card = changed(run, report_of(run), weak_slices=found)
    assert "found 2 groups of documents with more wrong answers than the rest" in card
    assert "secret" not in card

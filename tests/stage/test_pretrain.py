"""The pretrain stage: a BERT and a GPT-2 from scratch, and that tune and train start from what it made."""

import math
import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from pipeline import pretrain
from tests.corpora import bbc_news
from tests.stage.stages import REPOSITORY
from tests.tiny_language import TINY_BERT, TINY_GPT2, texts, train_tiny_tokenizer, write_language
from tests.tiny_run import migrated_database
from textmill.artifacts import DOCUMENTS, read_json, write_table
from textmill.config import Params, load_params
from textmill.paths import Paths
from textmill.training.builders import build_model
from textmill.training.pretraining.language_model import load_masked_model
from textmill.training.pretraining.masking import NoMaskToken

FAST = {"epochs": 3, "learning_rate": 5e-3}
STATES = {"mlm": TINY_BERT, "clm": TINY_GPT2}
SMALL = {
    "mlm": {
        "model_type": "bert",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
    },
    "clm": {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4},
}
POOLING = {"mlm": "mean", "clm": "last"}


def prepare(folder: Path, objective, config, *, tokenize=None, **pretraining) -> tuple[Params, Paths]:
    """params.yaml for a model from scratch, and an MLflow store."""
    yaml = YAML(typ="safe")
    values = yaml.load(REPOSITORY / "params.yaml")
    values["model"]["transformer"] = {"pooling": POOLING.get(objective, "mean"), "config": config}
    values["pretrain"] |= {"objective": objective, **pretraining}
    values["training"]["precision"] = "32-true"
    values["tokenize"] |= tokenize or {}
    yaml.dump(values, folder / "params.yaml")
    paths = Paths(folder, folder)
    shutil.copy(migrated_database(), paths.mlflow_database)
    return load_params(paths.params), paths


def pretrained_run(params, paths):
    """The run of the pretrained model, and its perplexities by step."""
    mlflow.set_tracking_uri(f"sqlite:///{paths.mlflow_database}")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(params.project)
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "perplexity")
    return run, {point.step: point.value for point in history}


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    return write_language(tmp_path_factory.mktemp("language") / "tokens", train_tiny_tokenizer())


@pytest.fixture
def start(tmp_path, monkeypatch, language):
    def prepared(objective, config, **settings):
        monkeypatch.chdir(tmp_path)
        shutil.copytree(language, tmp_path / "data/tokens")
        return prepare(tmp_path, objective, config, **settings)

    return prepared


def check_start(params, paths):
    """The model that tune and train build has the weights that pretraining ended with, not new ones."""
    from safetensors.torch import load_file

    built = build_model(params, paths, 2, seed=1).encoder.state_dict()
    saved = load_file(paths.pretrained / "encoder/model.safetensors")
    assert built
    for name, tensor in built.items():
        torch.testing.assert_close(tensor, saved[name], rtol=0, atol=0)


@pytest.mark.parametrize("objective", ["mlm", "clm"])
def test_perplexity_falls_and_fine_tuning_starts_from_there(start, capsys, objective):
    params, paths = start(objective, STATES[objective], **FAST)
    pretrain.run(params, paths)
    record = read_json(paths.pretrained / "pretrained.json")
    assert record["objective"] == objective
    assert record["perplexity"] < 0.6 * record["perplexity_before"]
    assert (record["num_documents"], record["epochs"], record["source"]) == (300, 3, None)
    assert record["lineage"]["stage"] == "pretrain"
    assert f"perplexity on validation {record['perplexity_before']:.1f} before" in capsys.readouterr().out
    curves = pd.read_csv(paths.pretrained / "curves.csv")
    assert curves["perplexity"].iloc[0] == pytest.approx(record["perplexity_before"])
    assert curves["perplexity"].iloc[-1] == pytest.approx(record["perplexity"])
    run, perplexities = pretrained_run(params, paths)
    assert run.info.run_name == "pretrained" and run.info.status == "FINISHED"
    assert perplexities[0] == pytest.approx(record["perplexity_before"], rel=1e-5)
    assert perplexities[max(perplexities)] == pytest.approx(record["perplexity"], rel=1e-5)
    assert run.data.metrics["validation_loss"] == pytest.approx(math.log(record["perplexity"]), rel=1e-5)
    assert "train_loss" in run.data.metrics
    assert not paths.checkpoints(record["lineage"]["key"]).exists(), "removed on success"
    check_start(params, paths)
    if objective == "mlm":
        assert load_masked_model(paths.pretrained / "language_model").encoder.config.hidden_size == 32


def test_an_extra_source_is_learned_from(start, tmp_path):
    (tmp_path / "data/inputs").mkdir(parents=True)
    rows = pd.DataFrame({"text": texts(500)[300:]})  # 60 of them are the validation split
    rows.to_csv(tmp_path / "data/inputs/more.csv", index=False)
    params, paths = start("mlm", TINY_BERT, **FAST, source="data/inputs/more.csv", next_sentence=True)
    pretrain.run(params, paths)
    record = read_json(paths.pretrained / "pretrained.json")
    assert (record["num_documents"], record["num_left_out"]) == (140, 60)
    declared = record["lineage"]["params"]["source"]
    assert declared["sha256"]
    assert (declared["text"], declared["header"]) == ("text", True), "how it is read"
    assert record["perplexity"] < record["perplexity_before"]
    check_start(params, paths)


def test_none_writes_a_note_and_loads_no_torch(tmp_path):
    import subprocess
    import sys

    prepare(tmp_path, "none", None)
    code = (
        "import sys\nfrom pathlib import Path\nfrom pipeline import pretrain\nfrom textmill.config import load_params\n"
        "from textmill.paths import Paths\npretrain.run(load_params(), Paths.here())\n"
        "assert not {'torch', 'transformers', 'pytorch_lightning', 'mlflow'} & sys.modules.keys()"
    )
    environment = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}", "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert read_json(Paths(tmp_path, tmp_path).pretrained / "pretrained.json") == {"objective": "none"}


def test_a_tokenizer_without_a_mask_token_is_told(start):
    params, paths = start("mlm", TINY_BERT)
    file = paths.tokens / "tokenizer.json"
    file.write_text(file.read_text().replace("[MASK]", "[NONE]"))
    with pytest.raises(NoMaskToken):
        pretrain.run(params, paths)
    assert not paths.pretrained.exists()


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mlm", "clm"])
def test_news_from_scratch(tmp_path, monkeypatch, objective):
    """A slice of BBC News through tokenize (a vocabulary of its own), pretrain, tune (no search) and train."""
    from pipeline import tokenize, train, tune

    monkeypatch.chdir(tmp_path)
    documents = bbc_news().reindex(columns=DOCUMENTS.names)
    trained = {"algorithm": "bpe", "vocabulary_size": 2000, "min_frequency": 2, "lowercase": True}
    params, paths = prepare(
        tmp_path,
        objective,
        {**SMALL[objective], "max_position_embeddings" if objective == "mlm" else "n_positions": 64},
        tokenize={"max_length": 64, "tokenizer": "trained", "trained": trained},
        epochs=4,
        learning_rate=3e-3,
    )
    # The default is for pretrained weights of a larger model.
    changed = {"tune": params.tune.model_copy(update={"num_trials": 0, "fixed": {"learning_rate": 3e-3}})}
    params = params.model_copy(update={**changed, "train": params.train.model_copy(update={"epochs": 3})})
    for name, part in (("train", documents[:600]), ("validation", documents[600:800])):
        write_table(paths.split(name), part, DOCUMENTS)
    for stage in (tokenize, pretrain):
        stage.run(params, paths)
    record = read_json(paths.pretrained / "pretrained.json")
    assert record["perplexity_before"] == pytest.approx(2000, rel=0.25)
    assert record["perplexity"] < 0.5 * record["perplexity_before"]
    check_start(params, paths)
    for stage in (tune, train):
        stage.run(params, paths)
    scores = pd.read_csv(paths.model("trained") / "curves.csv")["validation_score"]
    assert scores.max() > 0.3, "five classes: guessing gives about 0.2"

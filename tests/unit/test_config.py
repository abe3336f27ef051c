"""Every mistake in params.yaml is told by key, value and what is allowed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from textmill.config import InvalidParams, load_params

ROOT = Path(__file__).resolve().parents[2]
WATCH = r"data\.watch \(.*\) must not be or hold what the pipeline itself writes"
QUANTIZE = {"method": "quantize", "per_channel": True}
DISTILL = {
    "method": "distill",
    "student": {"family": "transformer", "num_layers": 3},
    "temperature": 2,
    "soft_weight": 0.5,
    "epochs": 1,
    "learning_rate": 1e-4,
}
LSTM = {"family": "lstm", "embeddings": "teacher", "hidden_size": 8, "num_layers": 1}
FULL = {"from": "trained", "steps": []}
SPARSIFY = {"method": "sparsify", "zeros": 0.5, "epochs": 1, "learning_rate": 1e-4}
AWARE = {"method": "train_quantized", "epochs": 1, "learning_rate": 1e-4}
SOURCES = {"train": "data/inputs/train.csv", "validation": None, "test": "data/inputs/test.csv"}


@pytest.fixture
def write(tmp_path):
    """Writes the default params.yaml with some keys changed (dots between keys), and returns its path."""

    def change(key, value, **others):
        yaml = YAML()
        document = yaml.load(ROOT / "params.yaml")
        for name, new in {key: value, **others}.items():
            *parents, last = name.split(".")
            node = document
            for parent in parents:
                node = node[parent]
            if new is ...:
                del node[last]
            else:
                node[last] = new
        yaml.dump(document, tmp_path / "params.yaml")
        return tmp_path / "params.yaml"

    return change


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("train.epoch", 3, r"train\.epoch: no such key; allowed here: checkpoint_minutes, ensemble, epochs"),
        ("train.epochs", ..., r"train\.epochs: this key is missing"),
        ("train.epochs", 0, r"train\.epochs: .*greater than or equal to 1, found 0"),
        ("train.epochs", "many", r"train\.epochs: .*valid integer.*found 'many'"),
        ("training.precision", "fp8", r"training\.precision: .*'bf16-mixed'.*found 'fp8'"),
        ("split.test", 0.2, r"split: train \+ validation \+ test must be 1, not 1\.05"),
        ("data.slices", ["source", "label"], r"data\.slices: .*called 'label' cannot be told from the slices"),
        ("clean.min_characters", 200000, r"min_characters \(200000\) must not exceed max_characters"),
        ("training.gradient_clip", float("inf"), r"training\.gradient_clip: .*finite number, found inf"),
        ("clean.labels", {0: None, 1: "yes"}, r"clean\.labels: the entry of 0 holds None"),
        ("clean.labels", {0: " ", 1: "yes"}, r"clean\.labels: the entry of 0 holds ' '"),
        ("clean.labels", {0: ["no"], 1: "yes"}, r"clean\.labels: the entry of 0 holds \['no'\]"),
        ("clean.labels", {None: "no", 1: "yes"}, r"clean\.labels: the entry of None holds None"),
        ("clean.labels", {1: "no", "1": "yes"}, r"clean\.labels: a label is listed twice.*: 1, '1'"),
        ("contract.email_share.max", 5, r"contract\.email_share\.max: .*less than or equal to 1, found 5"),
        ("data.text", -1, r"data\.text: a column is its name, or its position from 0, found -1"),
        ("data.split", True, r"data\.split: a column is its name, or its position from 0, found True"),
        ("data.slices", ["source", 1.5], r"data\.slices\.1: a column is its name, .*found 1\.5"),
        ("data.source", {**SOURCES, "dev": "x"}, r"data\.source\.dev: no such key; allowed here: test, train, valid"),
        ("data.source", {**SOURCES, "test": 3}, r"data\.source\.test: .*valid string, found 3"),
        ("data.source", {**SOURCES, "test": "elsewhere.csv"}, r"must be data\.source\.test \(elsewhere\.csv\)"),
        ("data.label_corrections", "review.csv", r"must be data\.label_corrections \(review\.csv\)"),
        ("training.lora", {"rank": 0, "alpha": 8, "dropout": 0}, r"training\.lora\.rank: .*greater than or equal to 1"),
        ("training.augmentation.replace", 0.1, r"set pretrain\.objective to mlm \(it is none\)"),
        ("train.ensemble", True, r"train: ensemble averages several models: set num_seeds to 2 or more, not 1"),
        (
            "model.baseline.character_ngrams",
            [5, 3],
            r"character_ngrams: .*\(5\) must not be longer than the longest \(3\)",
        ),
        ("task", "regression", r"clean\.labels maps labels to labels; with task: regression it must be null"),
        ("task", "sentiment", r"task: .*'multi_label' or 'regression', found 'sentiment'"),
        (
            "tokenize.long_documents",
            {"strategy": "windows", "head_share": 0.5, "overlap": 33, "max_windows": 4},
            r"long_documents\.overlap \(33\) must be at most half of max_length \(64\)",
        ),
        ("split.method", "time", r"data\.time must name the column to go by"),
        ("clean.rare_labels.action", "merge", r"clean\.rare_labels: merge_into must name a label"),
        ("clean.near_duplicates.num_hashes", 100, r"num_hashes: .*multiple of 16, found 100"),
        ("contract.documents.max", 5, r"contract\.documents: min \(100\) must not exceed max \(5\)"),
        ("contract.leakage.level", "block", r"contract\.leakage\.level: .*'error' or 'warn', found 'block'"),
        ("project", "Movie Reviews", r"project: .*pattern.*found 'Movie Reviews'"),
        ("data.source", "elsewhere/reviews.csv", r"data\.watch \(data/inputs\) must be data\.source"),
        ("data.watch", "data", WATCH),
        ("data.watch", ".", WATCH),
        (
            "model.weights",
            "weights",
            r"data\.watch \(data/inputs\) must be model\.weights \(weights\) or a folder",
        ),
        ("compress.recipes.int8.from", "ful", r"recipes\.int8\.from: 'ful' is not a model; allowed: trained, full"),
        ("compress.recipes.int8.from", "int8", r"recipes\.int8\.from: int8 -> int8 is a circle"),
        (
            "compress.recipes.pruned-int8.from",
            "int8",
            r"recipes\.pruned-int8: quantize -> prune -> quantize cannot be done; quantize, then engine must be",
        ),
        (
            "compress.recipes.int8.steps",
            [QUANTIZE, DISTILL],
            r"recipes\.int8: quantize -> distill cannot be done; quantize, then engine must be the last",
        ),
        ("compress.recipes.int8.steps", [{"method": "shrink"}], r"recipes\.int8\.steps\.0: .*'shrink'.*'prune'"),
        (
            "compress.recipes.int8.steps",
            [{**QUANTIZE, "per_chanel": True}],
            r"recipes\.int8\.steps\.0\.per_chanel: no such key; allowed here: arithmetic, .*, per_channel, smoothing\n",
        ),
        (
            "compress.recipes.int8.steps",
            [{"method": "trim_vocabulary", "min_count": 0}],
            r"recipes\.int8\.steps\.0\.min_count: ",
        ),
        (
            "compress.recipes.int8.steps",
            [{**DISTILL, "student": {**LSTM, "hidden_size": 0}}],
            r"recipes\.int8\.steps\.0\.student\.hidden_size: ",
        ),
        (
            "compress.recipes.int8.steps",
            [{**QUANTIZE, "keep_float": {"documents": 8, "max_layer": 1}}],
            r"steps\.0\.keep_float\.max_layer: no such key; allowed here: documents, max_divergence, max_layers\n",
        ),
        (
            "compress.recipes.int8.steps",
            [SPARSIFY, DISTILL],
            r"recipes\.int8: sparsify -> distill would lose what sparsify does: its zeros would be filled again by",
        ),
        (
            "compress.recipes",
            {"full": FULL, "aware": {"from": "full", "steps": [AWARE]}, "x": {"from": "aware", "steps": [SPARSIFY]}},
            r"recipes\.x: train_quantized -> sparsify would lose .* no longer be trained for int8 by sparsify",
        ),
        ("compress.recipes.int8.form", "full", r"recipes\.int8\.form: no such key; allowed here: from, steps\n"),
        ("compress.recipes.prune", {"from": "full", "steps": 1}, r"compress\.recipes\.prune\.steps: .*list"),
        ("compress.recipes.full.steps", [QUANTIZE], r"recipes\.full must be \{from: trained, steps: \[\]\}"),
        ("compress.recipes.trained", {"from": "full", "steps": []}, r"recipes\.trained: this name is taken"),
        ("compress.recipes.pretrained", {"from": "full", "steps": []}, r"recipes\.pretrained: this name is taken"),
    ],
)
def test_a_mistake_is_told(write, key, value, told):
    with pytest.raises(InvalidParams, match=told) as error:
        load_params(write(key, value))
    assert "params.yaml has 1 mistake" in str(error.value)


def test_what_keeps_the_work_of_a_step_may_follow_it(write):
    trim, twice = {"method": "trim_vocabulary", "min_count": 2}, {**SPARSIFY, "zeros": 0.8}
    recipes = {"full": FULL, "a": {"from": "full", "steps": [SPARSIFY, twice, trim, QUANTIZE]}}
    recipes["b"] = {"from": "full", "steps": [DISTILL, AWARE, AWARE, trim, QUANTIZE]}
    assert load_params(write("compress.recipes", recipes))


def test_all_mistakes_are_told_at_once(write, tmp_path):
    write("train.epochs", 0)
    text = (tmp_path / "params.yaml").read_text().replace("batch_size: 32", "batch_size: -1")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InvalidParams, match=r"2 mistake(?s:.)*training\.batch_size(?s:.)*train\.epochs"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("content", "told"), [("a: [1", "is not valid YAML"), ("- 1\n", "must hold a mapping"), ("", "must hold a mapping")]
)
def test_what_is_no_params_file_is_told(tmp_path, content, told):
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(InvalidParams, match=told):
        load_params(tmp_path / "params.yaml")


def test_numbers_and_labels_are_read_as_people_mean_them(write):
    params = load_params(write("tune.space.transformer.learning_rate.low", 1e-06))
    assert params.tune.space.transformer["learning_rate"].low == 1e-6  # YAML 1.1 reads `1e-06` as text
    labels = {0: "no", True: "yes", 2.0: 3.0, "x ": " y "}
    expected = {"0": "no", "true": "yes", "2": "3", "x": "y"}
    assert load_params(write("clean.labels", labels)).clean.labels == expected


def test_a_local_source_in_the_watched_folder_is_accepted(write):
    assert load_params(write("data.source", "data/inputs/reviews.csv"))
    assert load_params(write("data.source", "data/inputs/part-*.csv.gz"))


def test_sources_of_given_splits(write):
    assert load_params(write("data.source", "data/inputs/a.csv")).data.sources == {None: "data/inputs/a.csv"}
    given = load_params(write("data.source", SOURCES)).data.sources
    assert given == {"train": "data/inputs/train.csv", "test": "data/inputs/test.csv"}


def test_a_split_column_and_a_source_for_each_split_exclude_each_other(write, tmp_path):
    path = write("data.source", SOURCES)
    text, count = re.subn(r"^  split: .*$", "  split: fold", path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)
    with pytest.raises(InvalidParams, match="data: split names a column, but source already gives each split"):
        load_params(path)


def test_no_output_can_be_watched(write):
    outs = [out for stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values() for out in _outs(stage)]
    assert {"data/raw/documents.parquet", "data/out_of_fold.parquet", "models/search", "reports/selection.json"} <= {
        *outs
    }
    for out in outs:
        with pytest.raises(InvalidParams, match=WATCH):
            load_params(write("data.watch", out))


def _outs(stage):
    stage = stage.get("do", stage)
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            yield next(iter(out)) if isinstance(out, dict) else out


@pytest.mark.parametrize("arguments", [["ingest"], ["train"], ["compress", "int8"]])
def test_a_stage_tells_it_and_exits_with_1(write, tmp_path, arguments):
    write("train.epoch", 3)
    module, *rest = arguments
    answer = subprocess.run(
        [sys.executable, "-m", f"pipeline.{module}", *rest],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "train.epoch: no such key; allowed here: checkpoint_minutes, ensemble, epochs" in answer.stderr
    assert "dvc checkout" in answer.stderr
    assert "Traceback" not in answer.stderr

"""The registry as a user meets it: the register stage and `textmill promote` on a real MLflow store on SQLite."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import register
from tests.tiny_run import PROJECT, REPOSITORY, tiny_run, write_params
from textmill import tracking
from textmill.artifacts import MissingArtifact, read_json, write_json
from textmill.bundle import InvalidBundle
from textmill.config import load_params
from textmill.paths import Paths
from textmill.registry import packaging, promotion, registration, versions
from textmill.registry.promotion import PromotionRefused
from textmill.registry.versions import VersionNotFound


@pytest.fixture(autouse=True)
def _outside_of_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_EXP_BASELINE_REV", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


def run_register(paths: Paths) -> dict:
    register.run(load_params(paths.params), paths)
    return read_json(paths.registration)


def run_command(paths: Paths, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=paths.root, env=environment(paths), capture_output=True, text=True, check=False)


def environment(paths: Paths) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**kept, "DVC_ROOT": str(paths.state), "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"}


def promote(paths: Paths, **options: object) -> promotion.Promotion:
    settings = registration.gate_settings(load_params(paths.params))
    return promotion.promote(paths, PROJECT, settings, **options)  # type: ignore[arg-type]


def test_the_first_version_becomes_champion_with_its_evidence(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path)
    record = run_register(paths)
    client = versions.connect(paths, PROJECT)
    full, chosen = versions.get(client, PROJECT, 1), versions.get(client, PROJECT, "champion")
    assert record["champion_version"] == chosen.number == 2
    assert record["gate"]["passed"]
    assert [rule["rule"] for rule in record["gate"]["rules"]] == ["min_quality"]
    assert chosen.tags["textmill.parent_version"] == "1"
    assert (full.tags["textmill.recipe"], chosen.tags["textmill.recipe"]) == ("full", "int8")
    measured = read_json(paths.evaluation("test", "int8") / "metrics.json")["f1_macro"]
    assert float(chosen.tags["textmill.f1_macro"]) == pytest.approx(measured, abs=1e-5)
    assert float(chosen.tags["textmill.score"]) == pytest.approx(measured, abs=1e-5)
    assert record["gate"]["score"]["candidate"] == pytest.approx(measured, abs=1e-9)
    found = {file.path for file in client.list_artifacts(chosen.run_id, "evidence")}
    assert found == {f"evidence/{name}.json" for name in ("metrics", "report", "selection", "gate")}
    assert client.get_run(chosen.run_id).data.tags["mlflow.parentRunId"] == full.run_id


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ("int8", "register: full is version 1 of tiny, int8 is version 2"),
        ("full", "register: full is version 1 of tiny"),
    ],
)
def test_each_version_is_told_once(chosen: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = tiny_run(tmp_path)
    write_json(paths.selection, {**read_json(paths.selection), "chosen": chosen})
    run_register(paths)
    assert capsys.readouterr().out.splitlines()[0] == line


@pytest.mark.parametrize(("task", "figure", "noise"), [("multi_label", "f1_macro", 0.6), ("regression", "r2", 0.05)])
def test_every_task_is_registered_and_meets_its_champion(tmp_path: Path, task: str, figure: str, noise: float) -> None:
    paths = tiny_run(tmp_path, task=task, noise=noise, gate__min_quality=0.0)
    record = run_register(paths)
    client = versions.connect(paths, PROJECT)
    champion = versions.get(client, PROJECT, "champion")
    measured = read_json(paths.evaluation("test", "int8") / "metrics.json")[figure]
    assert record["gate"]["score"]["candidate"] == pytest.approx(measured)
    for name in ("score", figure):
        assert float(champion.tags[f"textmill.{name}"]) == pytest.approx(measured, abs=1e-5)
    assert champion.tags["textmill.task"] == task
    record = run_register(tiny_run(tmp_path, task=task, noise=0.0, gate__min_quality=0.0))
    # The champion is run again, and answers as it did when it was evaluated.
    assert record["gate"]["score"]["champion"] == pytest.approx(measured)
    assert record["gate"]["difference"]["observed"] > 0
    assert record["challenger_version"] == 3
    (line,) = [text for text in promotion.explain(promote(paths).decision) if "against version 2" in text]
    assert line.strip().startswith("R²" if task == "regression" else "macro-F1")


def test_a_champion_of_another_task_is_not_replaced_unasked(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path))
    record = run_register(tiny_run(tmp_path, task="regression", gate__min_quality=0.0))
    assert record["champion_version"] == 2
    assert record["challenger_version"] is None
    (reason,) = record["gate"]["reasons"]
    assert reason.startswith("the task is regression; the champion's (version 2) is single_label")


def test_the_same_bytes_are_the_same_version(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path)
    first = run_register(paths)
    second = run_register(paths)
    assert second["versions"] == first["versions"]
    client = versions.connect(paths, PROJECT)
    assert len(client.search_model_versions(f"name = '{PROJECT}'")) == 2
    assert "textmill.promoted_over" in versions.get(client, PROJECT, "champion").tags


def test_a_worse_challenger_is_refused_with_its_reasons(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path))
    record = run_register(tiny_run(tmp_path, noise=0.6))
    assert not record["gate"]["passed"]
    assert record["champion_version"] == 2
    assert record["challenger_version"] is None
    assert record["gate"]["champion_version"] == 2
    (reason,) = record["gate"]["reasons"]
    assert "macro-F1 differs from the champion's by -0." in reason
    assert "the margin is -0.0200" in reason
    assert len(record["gate"]["flipped"]["broken"]) > len(record["gate"]["flipped"]["mended"])
    paths = Paths(tmp_path, tmp_path)
    refused = versions.get(versions.connect(paths, PROJECT), PROJECT, record["versions"]["chosen"]["version"])
    assert refused.tags["textmill.gate"] == "refused"
    with pytest.raises(PromotionRefused, match=r"The gate refuses tiny version 3 \(champion: version 2\)"):
        promote(paths, reference=refused.number)


def test_a_better_one_waits_as_challenger_until_promoted(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    paths = tiny_run(tmp_path, noise=0.0)
    record = run_register(paths)
    assert (record["champion_version"], record["challenger_version"]) == (2, 3)
    assert record["gate"]["difference"]["observed"] > 0
    assert record["gate"]["smallest_detectable_loss"] > 0
    done = promote(paths, reason="better in every way")
    assert (done.version, done.previous) == (3, 2)
    client = versions.connect(paths, PROJECT)
    assert versions.aliases(client, PROJECT) == {"champion": 3, "previous": 2}
    tags = versions.get(client, PROJECT, 3).tags
    assert tags["textmill.promoted_because"] == "better in every way"
    assert tags["textmill.promoted_over"] == "2"
    assert tags["textmill.promoted_by"]
    assert tags["textmill.promoted_at"].startswith("20")
    # Settings changed and changed back: nothing moves, and the record says what is.
    again = run_register(paths)
    assert (again["champion_version"], again["versions"]["chosen"]["version"]) == (3, 3)
    assert registration.find_difference(paths) is None
    with pytest.raises(PromotionRefused, match="is the champion already"):
        promote(paths, reference=3)


def test_force_needs_a_reason_and_keeps_it(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path))
    paths = tiny_run(tmp_path, noise=0.6)
    run_register(paths)
    with pytest.raises(PromotionRefused, match="--reason"):
        promote(paths, reference=3, force=True)
    done = promote(paths, reference=3, force=True, reason="the old one leaks names")
    assert done.decision and not done.decision.passed
    tags = versions.get(versions.connect(paths, PROJECT), PROJECT, "champion").tags
    assert tags["textmill.promoted_because"] == "the old one leaks names"
    assert tags["textmill.gate"] == "refused"


def test_a_lost_champion_refuses_and_the_way_out_that_is_named_works(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    shutil.rmtree(tmp_path / "mlruns")
    paths = tiny_run(tmp_path)
    record = run_register(paths)
    assert record["champion_version"] == 2
    assert (record["challenger_version"], record["gate"]["champion_version"]) == (None, 2)
    (reason,) = record["gate"]["reasons"]
    assert reason.startswith("champion version 2 cannot be run: ")
    assert "textmill promote --version N --force --reason TEXT" in reason
    with pytest.raises(PromotionRefused, match="champion version 2 cannot be run"):
        promote(paths, reference=3)
    assert promote(paths, reference=3, force=True, reason="version 2 is lost").version == 3


def test_an_edited_champion_refuses(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path, noise=0.5)
    run_register(paths)
    champion = versions.get(versions.connect(paths, PROJECT), PROJECT, "champion")
    with (packaging.fetch_bundle(champion) / "tokenizer.json").open("a") as file:
        file.write(" ")
    rules = {rule["rule"]: rule["passed"] for rule in run_register(tiny_run(tmp_path))["gate"]["rules"]}
    assert rules == {"min_quality": True, "champion_loads": False}


def test_force_never_crowns_a_version_that_cannot_be_run(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    paths = tiny_run(tmp_path)
    run_register(paths)
    client = versions.connect(paths, PROJECT)
    bundle = packaging.fetch_bundle(versions.get(client, PROJECT, 3))
    (bundle / "model.onnx").write_bytes(b"")
    with pytest.raises(InvalidBundle):
        promote(paths, reference=3, force=True, reason="I want it")
    shutil.rmtree(bundle)
    with pytest.raises(VersionNotFound):
        promote(paths, reference=3, force=True, reason="I want it")
    assert versions.aliases(client, PROJECT) == {"champion": 2, "challenger": 3}


def test_force_does_without_a_test_split_and_says_so(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    paths = tiny_run(tmp_path)
    run_register(paths)
    paths.split("test").unlink()
    with pytest.raises(MissingArtifact):
        promote(paths)
    done = promote(paths, force=True, reason="in haste")
    (line,) = promotion.explain(done.decision)
    assert line.startswith("gate: not run, ")
    assert "test.parquet is missing" in line
    tags = versions.get(versions.connect(paths, PROJECT), PROJECT, "champion").tags
    assert tags["textmill.gate"] == "not run"
    assert "test.parquet is missing" in tags["textmill.gate_reasons"]


@pytest.mark.parametrize("auto_promote", ["gate", "first"])
def test_the_next_run_does_not_undo_a_rollback(tmp_path: Path, auto_promote: str) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    paths = tiny_run(tmp_path, register__auto_promote="gate")
    assert run_register(paths)["champion_version"] == 3
    promote(paths, reference=2, force=True, reason="version 3 mislabels refunds")
    assert registration.find_difference(paths) == "tiny@champion is version 2; registration.json says 3"
    write_params(paths, register__auto_promote=auto_promote)
    record = run_register(paths)
    assert (record["champion_version"], record["challenger_version"]) == (2, None)
    assert registration.find_difference(paths) is None


def test_what_the_gate_said_of_a_champion_stays(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path))
    paths = tiny_run(tmp_path, noise=0.6)
    run_register(paths)
    promote(paths, reference=3, force=True, reason="the old one leaks names")
    client = versions.connect(paths, PROJECT)
    before = versions.get(client, PROJECT, 3)
    assert (before.tags["textmill.gate"], before.tags["textmill.gate_champion"]) == ("refused", "2")
    run_register(paths)
    assert versions.get(client, PROJECT, 3).tags == before.tags
    evidence = Path(client.download_artifacts(before.run_id, "evidence/gate.json"))
    assert not read_json(evidence)["passed"]


def test_a_kill_leaves_no_champion_without_who_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = tiny_run(tmp_path)
    client = versions.connect(paths, PROJECT)
    for kind in ("set_registered_model_alias", "set_model_version_tag"):
        method = getattr(type(client), kind)

        def call(self: object, *arguments: str, method: Any = method) -> object:
            if arguments[1] == "champion":
                raise KeyboardInterrupt
            return method(self, *arguments)

        monkeypatch.setattr(type(client), kind, call)
    with pytest.raises(KeyboardInterrupt):
        run_register(paths)
    tags = versions.get(client, PROJECT, 2).tags
    assert tags["textmill.promoted_because"] == "first version, above the floor"
    assert tags["textmill.promoted_by"]
    monkeypatch.undo()
    assert run_register(paths)["champion_version"] == 2  # what was not finished is


def test_nothing_moves_when_the_champion_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    paths = tiny_run(tmp_path)
    run_register(paths)
    client = versions.connect(paths, PROJECT)
    judge = promotion.judge

    def judge_while_someone_clicks(*arguments: object, **options: object) -> object:
        client.set_registered_model_alias(PROJECT, "champion", "1")
        return judge(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(promotion, "judge", judge_while_someone_clicks)
    with pytest.raises(PromotionRefused, match="changed from version 2 to 1 while the gate ran; nothing was moved"):
        promote(paths)
    assert versions.aliases(client, PROJECT) == {"champion": 1, "challenger": 3}


@pytest.mark.parametrize(
    ("auto_promote", "expected"),
    [
        ("never", [{"challenger": 2}, {"challenger": 3}]),
        ("first", [{"champion": 2}, {"champion": 2, "challenger": 3}]),
        ("gate", [{"champion": 2}, {"champion": 3, "previous": 2}]),
    ],
)
def test_auto_promote(tmp_path: Path, auto_promote: str, expected: list[dict[str, int]]) -> None:
    for noise, aliases in zip((0.5, 0.0), expected, strict=True):
        paths = tiny_run(tmp_path, noise=noise, register__auto_promote=auto_promote)
        run_register(paths)
        assert versions.aliases(versions.connect(paths, PROJECT), PROJECT) == aliases


def test_below_the_floor_not_even_the_first_version_gets_an_alias(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path, gate__min_quality=0.95)
    record = run_register(paths)
    assert versions.aliases(versions.connect(paths, PROJECT), PROJECT) == {}
    assert "the floor is 0.9500 (gate.min_quality)" in record["gate"]["reasons"][0]
    assert record["champion_version"] is None


def test_a_challenger_that_is_refused_later_loses_its_alias(tmp_path: Path) -> None:
    run_register(tiny_run(tmp_path, noise=0.5))
    paths = tiny_run(tmp_path)
    assert run_register(paths)["challenger_version"] == 3
    write_params(paths, gate__min_quality=0.99)
    assert run_register(paths)["challenger_version"] is None


def test_a_deleted_database_is_noticed_and_made_good(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path)
    first = run_register(paths)
    paths.mlflow_database.unlink()
    # In processes of their own, because this one still holds the deleted file open.
    found = run_command(paths, "textmill.cli", "verify")
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "mlflow.db, the registry's database, is gone" in found.stderr
    run_command(paths, "pipeline.register")
    second = read_json(paths.registration)
    assert second["champion_version"] == 2
    for key in ("full", "chosen"):
        assert second["versions"][key]["bundle_sha256"] == first["versions"][key]["bundle_sha256"]
    assert run_command(paths, "textmill.cli", "verify").returncode == 0


def test_deleted_files_and_runs_are_noticed_and_restored(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path)
    record = run_register(paths)
    client = versions.connect(paths, PROJECT)
    client.delete_run(record["versions"]["chosen"]["run_id"])
    assert registration.find_difference(paths) == "the run of tiny version 2 is deleted"
    run_register(paths)
    shutil.rmtree(paths.mlflow_artifacts)
    assert registration.find_difference(paths) == "the files of tiny version 1 are missing or damaged"
    assert run_register(paths)["versions"]["chosen"]["version"] == 2
    assert registration.find_difference(paths) is None
    client.delete_registered_model_alias(PROJECT, "champion")
    assert registration.find_difference(paths) == "tiny@champion is version none; registration.json says 2"
    client.delete_model_version(PROJECT, "2")
    assert registration.find_difference(paths) == "tiny version 2 is gone in the registry"
    assert run_register(paths)["champion_version"] == 3


def test_inside_a_dvc_experiment_no_alias_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    run_register(tiny_run(tmp_path / "run", state=state, noise=0.5))
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123abc")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-mule")
    paths = tiny_run(tmp_path / "experiment", state=state, register__auto_promote="gate")
    record = run_register(paths)
    client = versions.connect(paths, PROJECT)
    assert record["gate"]["passed"]
    assert versions.aliases(client, PROJECT) == {"champion": 2}
    assert versions.get(client, PROJECT, 3).tags["textmill.dvc_experiment"] == "bold-mule"
    assert record["experiment"] == "bold-mule"
    assert registration.find_difference(paths) is None
    # Its reports in the workspace, as after `dvc exp run` or `dvc exp apply`: outside, the model stands for election.
    monkeypatch.delenv("DVC_EXP_BASELINE_REV")
    difference = "the last registration was inside the experiment bold-mule, where no alias moves"
    assert registration.find_difference(paths) == difference
    assert run_register(paths)["champion_version"] == 3
    assert registration.find_difference(paths) is None


def test_the_report_is_linked_from_the_run_that_has_it(tmp_path: Path) -> None:
    """A run that was deleted, and its model evaluated again: the old run comes back, and two share a key."""
    paths = tiny_run(tmp_path)
    entry = run_register(paths)["versions"]["chosen"]
    client = versions.connect(paths, PROJECT)
    client.delete_run(entry["run_id"])
    with tracking.model_run(paths, PROJECT, "int8", entry["lineage_key"]) as evaluated_again:
        pass
    run_register(paths)
    with tracking.model_run(paths, PROJECT, "int8", entry["lineage_key"]) as reported:
        pass
    assert reported.info.run_id == evaluated_again.info.run_id != entry["run_id"]
    registration.describe_version(paths, PROJECT, 2, "headline", reported.info.run_id)
    link = versions.get(client, PROJECT, 2).tags["textmill.report"]
    assert link == f"runs:/{reported.info.run_id}/report/index.html"


def test_texts_stay_out_of_the_registry_where_they_may_not_be_shown(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path, report__include_texts=False)
    record = run_register(paths)
    found = list(paths.mlflow_artifacts.rglob("input_example.json"))
    assert len(found) == 2
    assert all("A text to label." in file.read_text() for file in found)
    assert record["champion_version"] == 2


def test_texts_leave_the_registry_when_they_may_no_longer_be_shown(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path)
    run_register(paths)
    shown = list(paths.mlflow_artifacts.rglob("*input_example.json"))
    before = {file: file.read_text() for file in shown}
    assert len(shown) == 4
    write_params(paths, report__include_texts=False)
    assert run_register(paths)["versions"]["chosen"]["version"] == 2
    assert all("A text to label." in file.read_text() for file in shown)
    write_params(paths)
    run_register(paths)
    assert {file: file.read_text() for file in shown} == before


@pytest.mark.parametrize("damaged", ["bundle/model.onnx", packaging.CLUSTERS])
def test_damaged_files_are_noticed_and_restored(tmp_path: Path, damaged: str) -> None:
    paths = tiny_run(tmp_path)
    run_register(paths)
    champion = versions.get(versions.connect(paths, PROJECT), PROJECT, "champion")
    file = packaging.fetch_bundle(champion).parent / damaged
    before = file.read_bytes()
    for damage in (lambda: file.write_bytes(before[:50]), file.unlink):
        damage()
        assert registration.find_difference(paths) == "the files of tiny version 2 are missing or damaged"
        run_register(paths)
        assert file.read_bytes() == before
        assert registration.find_difference(paths) is None


def test_a_deleted_experiment_is_restored(tmp_path: Path) -> None:
    paths = tiny_run(tmp_path)
    run_register(paths)
    client = versions.connect(paths, PROJECT)
    client.delete_experiment(client.get_experiment_by_name(PROJECT).experiment_id)
    assert registration.find_difference(paths) == "the run of tiny version 1 is deleted"
    assert run_register(paths)["champion_version"] == 2
    assert registration.find_difference(paths) is None


@pytest.mark.slow
def test_eight_processes_at_once_stay_consistent(tmp_path: Path) -> None:
    """Four runs register different models and four promote, all in one registry."""
    state = tmp_path / "state"
    run_register(tiny_run(tmp_path / "first", state=state, noise=0.5))
    runs = [tiny_run(tmp_path / f"run{seed}", state=state, noise=0.1, seed=seed) for seed in range(4)]
    commands = [[sys.executable, "-m", "pipeline.register"], [sys.executable, "-m", "textmill.cli", "promote"]]
    processes = [
        subprocess.Popen(command, cwd=paths.root, env=environment(paths), stderr=subprocess.PIPE, text=True)
        for paths in runs
        for command in commands
    ]
    outcomes = [(process.communicate(timeout=300)[1], process.returncode) for process in processes]
    assert [code for _, code in outcomes[::2]] == [0] * 4, outcomes
    assert all("Traceback" not in text for text, _ in outcomes), outcomes
    client = versions.connect(runs[0], PROJECT)
    found = client.search_model_versions(f"name = '{PROJECT}'")
    digests = [version.tags[versions.BUNDLE_TAG] for version in found]
    assert len(digests) == len(set(digests))
    aliases = versions.aliases(client, PROJECT)
    numbers = {int(version.version) for version in found}
    assert set(aliases.values()) <= numbers
    # A chain of promotions: each new champion says whom it followed.
    promoted = {int(v.version): v.tags["textmill.promoted_over"] for v in found if "textmill.promoted_over" in v.tags}
    assert aliases["champion"] in promoted
    assert sorted(promoted.values()) == sorted({*promoted.values()})
    if len(promoted) > 1:
        assert str(aliases["previous"]) == promoted[aliases["champion"]]
    assert tracking.connect(runs[0], PROJECT)

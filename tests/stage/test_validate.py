"""The stage validate: clean data pass, breaches are told, and what it writes holds nothing that it should not."""

import pandas as pd

from tests.contract_files import Files
from tests.corpora import bbc_news, movie_reviews
from tests.stage.conftest import freeze, write_contract_params
from tests.stage.contract_spoilers import edit_train, every, healthy, positives
from tests.stage.stages import REPOSITORY, fail_stage
from textmill.config import load_params
from textmill.paths import Paths


def test_real_reviews_meet_the_contract_at_shipped_limits(run_validate):
    outcome = run_validate(Files(movie_reviews()[["text", "label"]][:4000]))
    assert (outcome.status, outcome.failures()) == (0, set())
    assert "warning" not in outcome.out
    assert outcome.report["num_warnings"] == 0
    for path in (outcome.paths.profile, outcome.paths.contract_page, outcome.paths.data_docs / "index.html"):
        assert path.exists()


def test_real_news_meet_the_contract_at_shipped_limits(run_validate):
    outcome = run_validate(Files(bbc_news()[["text", "label"]]))
    assert (outcome.status, outcome.failures()) == (0, set())
    assert "validate: 36 of 36 expectations met, 0 only warn" in outcome.out


def test_report_profile_and_page_are_the_same_at_each_run(run_validate):
    first = run_validate(healthy())
    kept = [
        path.read_bytes() for path in (first.paths.validation_report, first.paths.profile, first.paths.contract_page)
    ]
    again = run_validate(healthy())
    assert kept == [
        p.read_bytes() for p in (again.paths.validation_report, again.paths.profile, again.paths.contract_page)
    ]


def test_null_limits_are_not_checked(run_validate):
    keys = load_params(REPOSITORY / "params.yaml").contract.model_dump()
    nothing = {
        key: {name: None for name in value if name != "level"} for key, value in keys.items() if isinstance(value, dict)
    }
    outcome = run_validate(healthy(40), contract=nothing, reference={"other": 1.0})
    assert outcome.status == 0
    settings = {row["setting"] for row in outcome.report["expectations"]}
    assert settings == {None, "clean.min_characters", "clean.max_characters"}


def test_no_reference_is_said_in_one_line(run_validate):
    outcome = run_validate(healthy())
    assert "validate: nothing to compare with: no reference is frozen yet (`textmill contract freeze`)" in outcome.out
    assert not any(row["suite"] == "reference" for row in outcome.report["expectations"])
    outcome = run_validate(healthy(), reference={"negative": 0.5, "positive": 0.5})
    assert "nothing to compare with" not in outcome.out
    assert outcome.status == 0
    assert any(row["suite"] == "reference" for row in outcome.report["expectations"])


def test_a_reference_of_another_project_is_told(run_validate):
    outcome = run_validate(healthy(), reference={"negative": 1.0}, contract={})
    text = outcome.paths.contract_lock.read_text().replace("movie-reviews", "other-project")
    outcome.paths.contract_lock.write_text(text)
    outcome = run_validate(healthy())
    assert outcome.status == 1
    assert "'other-project'" in outcome.message and "'movie-reviews'" in outcome.message
    assert "`reference: null`" in outcome.message


def test_all_breaches_are_told_at_once_and_warnings_apart(run_validate):
    files = healthy()
    edit_train(positives(0.97), lambda text: f"(Reuters) {text}")(files)
    outcome = run_validate(files, contract={"documents": {"min": 999}, "classes": {"min": 5}})
    assert outcome.status == 1
    assert "The data breach 2 of 36 expectations of the contract:" in outcome.message
    assert "contract.documents" in outcome.message and "contract.classes" in outcome.message
    assert "reuters" not in outcome.message
    assert sum(line.startswith("validate: warning: shortcuts.") for line in outcome.out.splitlines()) == 2


def test_words_of_the_texts_are_withheld(run_validate):
    files = healthy()
    edit_train(positives(0.97), lambda text: f"secretword {text}")(files)
    outcome = run_validate(files, report={"include_texts": False})
    assert outcome.report["num_warnings"] == 2
    folder = outcome.paths.validation_report.parent
    written = [path.read_text(encoding="utf-8") for path in folder.rglob("*.*") if path.suffix in {".json", ".html"}]
    assert len(written) > 10
    assert not any("secretword" in text for text in [*written, outcome.out])
    assert "a text that has a certain word is of the label “positive”" in outcome.out


def test_personal_data_and_texts_are_nowhere_in_what_is_written(run_validate):
    files = healthy()
    edit_train(every(5), lambda text: f"{text} someone@example.com (650) 253-0000")(files)
    outcome = run_validate(files)
    assert outcome.report["num_warnings"] == 2
    for path in outcome.paths.validation_report.parent.rglob("*.*"):
        if path.suffix in {".json", ".html"}:
            text = path.read_text(encoding="utf-8")
            assert "someone@" not in text and "253-0000" not in text
            assert files.train["text"].iloc[1] not in text


def test_a_split_without_documents_is_a_breach_and_no_accident(run_validate):
    files = healthy()
    files.train, files.test = pd.concat([files.train, files.test]), files.test[:0]
    outcome = run_validate(files)
    assert outcome.status == 1
    assert ("classes", "test", "contract.documents_per_class_and_split") in outcome.failures()


def test_nothing_at_all_is_a_breach_and_no_accident(run_validate):
    outcome = run_validate(Files(movie_reviews()[["text", "label"]][:0]))
    assert outcome.status == 1
    assert {("clean", None, "contract.documents"), ("classes", None, "contract.classes")} <= outcome.failures()


def test_the_command_exits_with_one(tmp_path):
    paths = Paths(tmp_path, tmp_path)
    healthy(40).write(paths)
    write_contract_params(tmp_path)
    freeze(paths, None)
    message = fail_stage(tmp_path, "validate")
    assert "clean (contract.documents): Documents after cleaning: found 40, allowed at least 100" in message
    assert "data/validation/contract.html" in message

"""The data contract: Great Expectations suites over raw, clean and splits; a breach stops the pipeline.

Reads: data/raw/documents.parquet, data/raw/source.json, data/clean/documents.parquet and quarantine.parquet,
    data/splits/train.parquet, validation.parquet, test.parquet, contract.lock.yaml (the frozen reference).
Writes: data/validation/report.json, data/validation/profile.json, data/validation/contract.html (one page, offline),
    data/validation/data_docs (pages of Great Expectations).
Params: project, task, clean, contract, report.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, read_json, write_json
from textmill.data.contract.examination import examine
from textmill.data.contract.reference import read_reference
from textmill.data.contract.validation import check_report, list_warnings, validate
from textmill.paths import SPLITS


def run(params: Params, paths: Paths) -> None:
    from textmill.reporting.contract_page import render_contract_page

    source = read_json(paths.source)
    reference = read_reference(paths.contract_lock, params.project)
    files = {"raw": paths.raw_documents, "quarantine": paths.quarantine, "clean": paths.clean_documents}
    examination = examine(
        files | {name: paths.split(name) for name in SPLITS},
        task=params.task,
        contract=params.contract.model_dump(),
        min_characters=params.clean.min_characters,
        max_characters=params.clean.max_characters,
        project=params.project,
        source={key: source[key] for key in ("uri", "sha256")},
        reference=reference,
        include_texts=params.report.include_texts,
    )
    with atomic(paths.data_docs) as folder:
        folder.mkdir()
        report = validate(examination.tables, examination.checks, folder, params.project)
    target = examination.profile["target"] if examination.profile else None
    report |= {"task": params.task, "target": target, "left_out": examination.left_out}
    frozen = reference.model_dump() if reference else None
    write_json(paths.validation_report, report)
    with atomic(paths.contract_page) as page:
        page.write_text(render_contract_page(params.project, report, examination.profile, frozen), encoding="utf-8")
    paths.profile.unlink(missing_ok=True)
    if examination.profile is not None:
        write_json(paths.profile, examination.profile)
    for line in list_warnings(report):
        print(f"validate: warning: {line}")
    if reference is None and params.contract.reference_drift.max is not None:
        print("validate: nothing to compare with: no reference is frozen yet (`textmill contract freeze`)")
    if report["left_out"]:
        print(f"validate: left out, since task: {params.task} has no classes: {', '.join(report['left_out'])}")
    check_report(report)
    num_met = report["num_expectations"] - report["num_warnings"]
    print(f"validate: {num_met} of {report['num_expectations']} expectations met, {report['num_warnings']} only warn")


if __name__ == "__main__":
    main(run)

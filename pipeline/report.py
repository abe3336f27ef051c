"""One self-contained page with the story of the run, and a model card; both are attached to the chosen model.

Reads: reports/selection.json, reports/registration.json, reports/test/NAME of every recipe of params.yaml and of the
    baseline, data/raw/source.json, data/clean/summary.json, data/validation/report.json and profile.json,
    data/tokens/tokens.json, data/audit, data/splits/test.parquet (texts of mistakes); where they are there
    models/search/study.json, models/trained/curves.csv and seeds.json, models/pretrained/pretrained.json,
    reports/crossvalidation.json.
Writes: reports/page/index.html, reports/page/model_card.md.
Params: project, seed, model.family, compress.recipes, gate, report.
"""

from pipeline import Params, Paths, main
from textmill import tracking
from textmill.artifacts import atomic


def run(params: Params, paths: Paths) -> None:
    from textmill.registry import registration
    from textmill.reporting.card import render_card
    from textmill.reporting.facts import gather
    from textmill.reporting.page import render_page

    facts = gather(params, paths)
    for path, text in ((paths.page, render_page(facts, paths)), (paths.card, render_card(facts, paths))):
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    key = facts.registration["versions"]["chosen"]["lineage_key"]
    with tracking.model_run(paths, params.project, facts.chosen["name"], key) as run_of_model:
        tracking.log(artifacts=paths.page.parent, folder="report")
    registration.describe_version(paths, params.project, facts.version, facts.headline, run_of_model.info.run_id)
    print(f"report: {paths.page.relative_to(paths.root)} and {paths.card.name} beside it")


if __name__ == "__main__":
    main(run)

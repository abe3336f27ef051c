"""One self-contained page with the story of the run, and a model card; both are attached to the chosen model.

Reads: reports/selection.json, registration.json, comparison.json, diagnosis.json, and test/NAME of every recipe of
    params.yaml and of the baseline, data/raw/source.json, data/clean/summary.json, data/validation/report.json and
    profile.json, data/tokens/tokens.json, data/audit, data/splits/test.parquet (texts of mistakes) and train.parquet
    (texts of their neighbours); where they are there
    models/search/study.json, models/trained/curves.csv, seeds.json and overrides.json,
    models/pretrained/pretrained.json, reports/crossvalidation.json.
Writes: reports/page/index.html, reports/page/model_card.md, and where there was a search reports/page/search.html.
    All are logged to the run of the chosen model, the last one to that of the search as well.
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
    from textmill.reporting.search_page import render_search_page
    from textmill.reporting.training_story import read_training_story
    from textmill.tasks import name_objective

    facts, training = gather(params, paths), read_training_story(paths)
    search = training["search"]
    texts = {paths.page: render_page(facts, paths), paths.card: render_card(facts, paths)}
    if search["trials"]:
        figure = name_objective(search["objectives"][0], facts.task)
        texts[paths.search_page] = render_search_page(params.project, search, figure, training["overrides"])
    for path, text in texts.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    key = facts.registration["versions"]["chosen"]["lineage_key"]
    with tracking.model_run(paths, params.project, facts.chosen["name"], key) as run_of_model:
        tracking.log(artifacts=paths.page.parent, folder="report")
    if search["trials"]:
        with tracking.model_run(paths, params.project, "search", search["lineage"]["key"]):
            tracking.log(artifacts=paths.search_page, folder="search")
    registration.describe_version(paths, params.project, facts.version, facts.headline, run_of_model.info.run_id)
    beside = " and ".join(path.name for path in texts if path != paths.page)
    print(f"report: {paths.page.relative_to(paths.root)}, {beside} beside it")


if __name__ == "__main__":
    main(run)

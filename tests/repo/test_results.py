"""docs/results.md is what the rows of benchmarks/results/quality.json say."""

from benchmarks.bench_results import read_rows, set_values, summarise
from benchmarks.results_page import PAGE, page_of
from benchmarks.results_settings import DATASETS, FAMILIES, VARIANTS, settings_of
from tests.checkout import ROOT
from textmill import presets
from textmill.config import load_params

HOW = "python -m benchmarks.bench_results --render"


def test_no_figure_is_written_by_hand():
    assert PAGE.read_text(encoding="utf-8") == page_of(read_rows()), HOW


def test_means_and_spreads_are_of_the_runs():
    for row in read_rows():
        assert summarise(row) == row


def test_every_row_has_valid_settings(tmp_path):
    """A wrong key would be told only after the data stages."""
    (tmp_path / "presets").symlink_to(ROOT / "presets")
    for data in DATASETS:
        for family in FAMILIES:
            for variant in (None, *(VARIANTS if family == "transformer" else ())):
                params = tmp_path / "params.yaml"
                params.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
                presets.use(data, params, ROOT / "presets")
                set_values(params, {**settings_of(data, family, variant), "model.family": family, "seed": 1})
                assert load_params(params).model.family == family

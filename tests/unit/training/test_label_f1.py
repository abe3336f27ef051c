"""The figure that judges an epoch where a document has several labels."""

import numpy as np
import pytest
import torch

from textmill.evaluation.multi_label import assess_labels
from textmill.evaluation.thresholds import fit_thresholds
from textmill.training.objective import build_metric


def score(logits, labels):
    metric = build_metric("multi_label", logits.shape[1])
    for rows in torch.arange(len(logits)).split(7):
        metric.update(logits[rows], torch.as_tensor(labels[rows.numpy()]))
    return float(metric.compute())


@pytest.fixture
def labels():
    return (np.random.default_rng(2).random((60, 3)) < [0.5, 0.2, 0.05]).astype(np.float32)


@pytest.mark.parametrize("digits", [6, 0])
def test_it_is_what_evaluation_reports_with_fitted_thresholds(labels, digits):
    """Also where many logits are equal (no digits)."""
    logits = torch.randn(60, 3, generator=torch.Generator().manual_seed(1)).round(decimals=digits)
    probabilities = torch.sigmoid(logits.double()).numpy()
    thresholds = fit_thresholds(probabilities, labels)
    expected = assess_labels(labels, probabilities, thresholds, "abc", confidence=0.95, num_resamples=2, seed=0)
    assert score(logits, labels) == pytest.approx(expected.figures["f1_macro"])


def test_a_model_that_ranks_well_but_is_unsure_is_seen(labels):
    """At one half all of these would be 0, and the first epoch would be the best."""
    noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    scores = [score(0.3 * noise + strength * torch.as_tensor(labels) - 9, labels) for strength in (0.0, 0.3, 3.0)]
    assert 0 < scores[0] < scores[1] < scores[2] == 1


def test_a_label_that_is_in_no_validation_document_takes_nothing_away(labels):
    logits = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    labels[:, 2] = 0
    assert score(logits, labels) == pytest.approx(score(logits[:, :2], labels[:, :2]))
    assert score(logits, np.zeros_like(labels)) == 0

"""The part as report.json holds it, for every task and for a split of few documents."""

import json
from pathlib import Path

import pytest

from tests.tiny_case import make_case
from textmill.evaluation.efficiency import examine, median_document


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_the_costs_of_a_model(task: str, tmp_path: Path) -> None:
    case = make_case(tmp_path, task=task, num_documents=60)
    found = examine(case)
    details = json.loads(json.dumps(found.details))
    assert set(found.metrics) == {"parameters", "flops_per_document"}, "no process was started"
    assert details["startup_ms"] is details["memory_mb"] is None
    assert found.metrics["parameters"] == details["parameters"] > 0
    assert [row["batch_size"] for row in details["throughput"]] == [1, 8]
    assert all(row["documents_per_s"] > 0 for row in details["throughput"])
    assert (details["energy_joules_per_document"] is None) == (details["energy_note"] is not None)
    assert details["threads"] == 1


def test_fresh_processes(tmp_path: Path) -> None:
    found = examine(make_case(tmp_path, num_documents=30, startup_processes=1, latency_documents=10))
    assert found.metrics["startup_ms"] == found.details["startup_ms"] > 20
    assert found.metrics["memory_mb"] == found.details["memory_mb"] > found.details["libraries_mb"] > 20


def test_batches_larger_than_the_split_are_left_out(tmp_path: Path) -> None:
    found = examine(make_case(tmp_path, num_documents=30, batch_sizes=[1, 4, 64], latency_documents=200))
    assert [row["batch_size"] for row in found.details["throughput"]] == [1, 4]


def test_the_median_document(tmp_path: Path) -> None:
    classifier = make_case(tmp_path, num_documents=1).classifier
    texts = [" ".join(["film"] * number) for number in (9, 2, 30, 1, 12)]
    assert median_document(classifier, texts) == (texts[0], 9)
    assert median_document(classifier, texts[:4]) == (texts[1], 2), "the lower of two in the middle"
    many = [" ".join(["film"] * (1 + number % 37)) for number in range(5000)]
    text, num_tokens = median_document(classifier, many)
    assert num_tokens == len(text.split())
    assert abs(num_tokens - 19) <= 1

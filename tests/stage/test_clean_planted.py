"""Planted duplicates are found, whatever the processes; and a run that is killed leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

import pipeline.clean as stage
from tests.corpora import bbc_news, long_movie_reviews
from tests.stage.clean_tables import clean, write_raw
from tests.stage.stages import REPOSITORY
from tests.unit.data.duplicates.test_near import jaccard, perturb
from textmill.artifacts import read_table
from textmill.data.cleaning.markup import html_to_text


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Real texts in two classes, with exact and near duplicates of some of them at known similarity."""
    rng = np.random.default_rng(1)
    originals = list(dict.fromkeys([*long_movie_reviews(), *bbc_news()["text"][:300]]))
    vocabulary = np.array(sorted({word for text in originals for word in text.split()}))
    texts = [(text, i, "original") for i, text in enumerate(originals)]
    texts += [(text.swapcase(), i, "exact") for i, text in enumerate(originals[:60])]
    texts += [(perturb(t, rng.uniform(0.01, 0.12), rng, vocabulary), i, "near") for i, t in enumerate(originals)]
    order = [*range(len(originals)), *(len(originals) + rng.permutation(len(texts) - len(originals)))]
    rows = [texts[place] for place in order]
    folder = tmp_path_factory.mktemp("planted")
    table = pd.DataFrame({"text": [t for t, _, _ in rows], "label": ["xy"[i > 290] for _, i, _ in rows]})
    paths = write_raw(folder, table)
    return paths, rows, originals, clean(paths)


def test_planted_duplicates_are_found_and_nothing_else(planted):
    _, rows, originals, (_, gone, _) = planted
    removed = gone["reason"].to_dict()
    # Of an original that is itself nearly another one, nothing stays to compare a copy with.
    similarity = {
        n: jaccard(html_to_text(text), html_to_text(originals[i]))
        for n, (text, i, kind) in enumerate(rows, 1)
        if kind == "near" and i + 1 not in removed
    }
    wanted = {number for number, value in similarity.items() if value >= 0.8}
    assert len(wanted) > 150 < len(similarity) - len(wanted)
    found = {number for number in wanted if removed.get(number) in ("near_duplicate", "duplicate")}
    assert len(found) / len(wanted) >= 0.99  # recall
    assert not any(removed.get(number) for number in similarity.keys() - wanted)
    assert all(removed.get(n) == "duplicate" for n, (_, _, kind) in enumerate(rows, 1) if kind == "exact")
    of_others = [n for n, reason in removed.items() if rows[n - 1][2] == "original" and reason == "near_duplicate"]
    texts = {n: text for n, (text, _, _) in enumerate(rows, 1)}
    for number in of_others:  # articles that were published twice
        assert jaccard(texts[number], texts[int(gone["kept_id"][number], 16)]) >= 0.8


def test_worker_processes_and_small_batches_make_no_difference(planted, tmp_path, monkeypatch):
    paths, *_ = planted
    raw = read_table(paths.raw_documents)
    again = write_raw(tmp_path, raw.drop(columns=["id", "origin"]))
    monkeypatch.setattr(stage, "INLINE_BYTES", 0)
    monkeypatch.setattr(stage, "BATCH_BYTES", 20_000)
    monkeypatch.setattr("textmill.data.cleaning.worker_pool.count_cores", lambda: 2)
    clean(again)
    for table in ("clean_documents", "quarantine"):
        pd.testing.assert_frame_equal(read_table(getattr(again, table)), read_table(getattr(paths, table)))
    assert again.clean_summary.read_text() == paths.clean_summary.read_text()


def test_a_killed_run_leaves_no_process_and_does_not_hinder_the_next(planted, tmp_path):
    paths, *_ = planted
    raw = read_table(paths.raw_documents)
    again = write_raw(tmp_path, pd.concat([raw] * 12).drop(columns=["id", "origin"]))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])}
    code = (
        "import runpy, pipeline.clean, textmill.data.cleaning.worker_pool as pool\n"
        "if __name__ == '__main__':\n"
        "    pool.count_cores = lambda: 2\n"
        "    from pipeline import main\n"
        "    pipeline.clean.INLINE_BYTES = 0\n"
        "    main(pipeline.clean.run)\n"
    )
    (tmp_path / "killed.py").write_text(code)
    command = [sys.executable, tmp_path / "killed.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        folder = again.clean_documents.parent / ".cleaning"
        deadline = time.monotonic() + 60
        while not (folder.exists() and list(folder.glob("*cleaned*"))) and time.monotonic() < deadline:
            time.sleep(0.02)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert not again.clean_documents.exists()
    _, _, summary = clean(again)
    assert summary["ingested"] == 12 * len(raw)
    assert sorted(path.name for path in again.clean_documents.parent.iterdir()) == [
        "documents.parquet",
        "quarantine.parquet",
        "summary.json",
    ]

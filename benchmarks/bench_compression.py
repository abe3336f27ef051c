"""Size, speed and quality of compressed variants beside the full model in PyTorch (float32, eager), in one run.

    python -m benchmarks.bench_compression --data bbc-news --run FOLDER --make
    python -m benchmarks.bench_compression --data bbc-news --run FOLDER [--variants int8 pruned]
    python -m benchmarks.bench_compression --data bbc-news --run FOLDER --split validation
    python -m benchmarks.bench_compression --render

FOLDER holds data/splits, data/tokens and models/full of a MiniLM that was fine-tuned on the dataset's preset; --make
trains it in a fresh clone of the last commit first. Variants (benchmarks/compression_recipes.py) are made in it and
kept, so that a call that was killed goes on; --anew makes all of them again, with the code of today.

One thread, one document at a time, from text to label, tokenization included, on real documents. Quality is of the
whole test split, latency of some of its documents, on which the contenders take turns. The loss of macro-F1 has a
paired bootstrap interval. Settings are chosen on the validation split: --split validation measures there and writes no
result.
"""

import argparse
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.clone import write_result
from benchmarks.compression_contenders import Bundle, TorchModel, speed_of, time_in_turns, waiting_share
from benchmarks.compression_goals import judge
from benchmarks.compression_page import render
from benchmarks.compression_recipes import DATASETS, recipes_of
from benchmarks.compression_variants import MODELS, Variants, make_full, params_of
from textmill.artifacts import read_json, read_table, write_json
from textmill.evaluation.significance import paired_bootstrap

CONFIDENCE = 0.95
MOST_WAITING = 0.05  # share of the time in which others have the processor; more favours those that answer sooner


def answers_of(variants: Variants, name: str, documents: pd.DataFrame, split: str) -> list[str]:
    """Labels of all documents, each sent alone; on all cores, and kept beside the variant."""
    path = variants.answers(name, split)
    if not path.exists():
        cores = os.cpu_count() or 1
        contender = TorchModel(variants.folder(name), cores) if name == "full" else Bundle(variants.folder(name), cores)
        write_json(path, [contender(text) for text in documents["text"]])
    found: list[str] = read_json(path)
    assert len(found) == len(documents), f"{path} is of other documents: delete it"
    return found


def measure(variants: Variants, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of the full model in PyTorch, of it as a bundle, and of the variants."""
    split = arguments.split
    documents = read_table(variants.root / f"data/splits/{split}.parquet")
    actual_N = documents["label"].to_numpy()
    answers = {name: np.array(answers_of(variants, name, documents, split), object) for name in ("full", *names)}

    chosen = np.random.default_rng(0).permutation(len(documents))[: arguments.latency_documents]
    texts = documents["text"].iloc[chosen].tolist()
    torch_model = TorchModel(variants.folder("full"), threads=1)
    bundles = {name: Bundle(variants.folder(name), threads=1) for name in ("full", *names)}
    contenders = {"torch": torch_model, **bundles}
    times = time_in_turns(contenders, texts, rounds=arguments.rounds, block=arguments.block)

    figures = {}
    for name, bundle in bundles.items():
        difference = paired_bootstrap(
            "single_label", actual_N, answers[name], answers["full"], num_resamples=arguments.resamples, seed=0
        )
        figures[name] = {
            "family": bundle.classifier.manifest["family"],
            "steps": variants.steps(name),
            "size_mb": round(bundle.size_mb, 2),
            "times_smaller": round(torch_model.size_mb / bundle.size_mb, 2),
            **speed_of(times[name], times["torch"]),
            "times_faster_than_bundle": speed_of(times[name], times["full"])["times_faster"],
            "f1_macro": f1_macro(actual_N, answers[name]),
            "f1_points": round(100 * difference.observed, 2),
            "f1_points_interval": [round(100 * bound, 2) for bound in difference.interval(CONFIDENCE)],
            "agreement": round(float(np.mean(answers[name] == answers["full"])), 4),
        }
    lengths = [len(windows[0]) for windows in torch_model.encode(texts)]
    return {
        "data": arguments.data,
        "split": split,
        "num_documents": len(documents),
        "latency_documents": len(texts),
        "mean_tokens": round(float(np.mean(lengths)), 1),
        "max_length": bundles["full"].classifier.max_length,
        "threads": 1,
        "rounds": arguments.rounds,
        "pytorch": version("torch"),
        "waiting_share": round(waiting_share(times), 3),
        "torch": {
            "size_mb": round(torch_model.size_mb, 2),
            **speed_of(times["torch"], times["torch"]),
            "f1_macro": f1_macro(actual_N, answers["full"]),
        },
        "variants": figures,
    }


def f1_macro(actual_N: np.ndarray, predicted_N: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return round(float(f1_score(actual_N, predicted_N, average="macro")), 4)


def tell(result: dict[str, Any]) -> None:
    torch = result["torch"]
    print(
        f"{'torch':>24}: {torch['size_mb']:6.2f} MB, {torch['latency_p50_ms']:7.3f} ms, {100 * torch['f1_macro']:.2f}"
    )
    for name, one in result["variants"].items():
        low, high = one["f1_points_interval"]
        print(
            f"{name:>24}: {one['size_mb']:6.2f} MB ({one['times_smaller']:.1f}x), {one['latency_p50_ms']:7.3f} ms "
            f"({one['times_faster']:.1f}x; processor {one['times_less_processor']:.1f}x), {100 * one['f1_macro']:.2f} "
            f"({one['f1_points']:+.2f}: {low:+.2f} to {high:+.2f})"
        )

    if result["waiting_share"] > MOST_WAITING:
        print(f"The machine was busy: {result['waiting_share']:.0%} of the time went to others. Measure again.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATASETS)
    parser.add_argument("--run", type=Path, help="folder of the full model; variants are kept in it")
    parser.add_argument("--make", action="store_true", help="train the full model first, where the folder has none")
    parser.add_argument("--variants", nargs="+", help="some of them; all without it")
    parser.add_argument("--prepare", action="store_true", help="only make the variants")
    parser.add_argument("--anew", action="store_true", help="make the variants again")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--latency-documents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--block", type=int, default=20, help="documents of a turn")
    parser.add_argument("--resamples", type=int, default=5000)
    parser.add_argument("--render", action="store_true", help="only write docs/compression-results.md anew")
    arguments = parser.parse_args()
    if arguments.render:
        return render()
    if not arguments.data or not arguments.run:
        parser.error("--data and --run say what to measure")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    recipes = recipes_of(arguments.data)
    if unknown := set(arguments.variants or ()) - recipes.keys():
        parser.error(f"no such variant: {', '.join(sorted(unknown))}; there are {', '.join(recipes)}")
    if arguments.make and not (arguments.run / "models/full").exists():
        make_full(arguments.run, arguments.data)
    params = params_of(arguments.data, arguments.run / MODELS)
    variants = Variants(arguments.run, params, recipes, anew=arguments.anew)
    names = arguments.variants or list(recipes)
    for name in names:
        began = time.monotonic()
        variants.make(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    if arguments.prepare:
        return None
    result = measure(variants, names, arguments)
    tell(result)
    if arguments.split == "test":
        write_result(f"compression-{arguments.data}", {**result, "goals": judge(result["variants"])})
        render()
    return None


if __name__ == "__main__":
    main()

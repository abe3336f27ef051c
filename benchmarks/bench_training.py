"""Training beside Hugging Face's Trainer: documents a second and macro-F1, in turns in one run, on the same documents.

python -m benchmarks.bench_training                                      400 BBC articles, 256 tokens: about 15 minutes
python -m benchmarks.bench_training --data 20-newsgroups --documents 0 --max-length 512 --seeds 1 2 3 --minutes 30

tutorial  Trainer as tutorials write it: padded to the maximum length, batches of 8, fp32
tuned     Trainer with dynamic padding, grouping by length, bf16 where the machine has it, batches of --batch-size
textmill  `textmill.training.fit`, in the same arithmetic as tuned

All start from the same weights and see the same token ids; tokenization, imports and scoring are not timed. A contender
that --minutes ends has a speed and no macro-F1. Shares are of model FLOPs (6 a weight and token in matrix products, and
12 x layers x width x tokens squared for attention; padding does not count) in the machine's own bf16 matrix products.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.clone import ROOT, write_result

CONTENDERS = ("tutorial", "tuned", "textmill")
NUM_VALIDATION = 32  # documents that textmill scores after each epoch; not timed


def read_corpus(name: str) -> dict[str, tuple[list[str], list[str]]]:
    """Texts and labels of train and test: the published sets, or a random 30% of the documents for test."""
    from ruamel.yaml import YAML

    from textmill.data.sources import Columns, Options, locate, open_source

    data = YAML(typ="safe").load(ROOT / f"presets/{name}.yaml")["data"]
    sources = data["source"] if isinstance(data["source"], dict) else {None: data["source"]}
    columns = Columns(data["text"], data["label"], None, None, None, ())
    reading = open_source(locate({k: v for k, v in sources.items() if v}), columns, None, Options(data["header"]))
    rows = [row for batch in reading.documents() for row in batch.to_dict("records")]
    if None in sources:
        generator = np.random.default_rng(0)
        for row, share in zip(rows, generator.random(len(rows)), strict=True):
            row["split"] = "test" if share < 0.3 else "train"
    return {
        split: tuple(
            map(list, zip(*[(row["text"], row["label"]) for row in rows if row["split"] == split], strict=True))
        )
        for split in ("train", "test")
    }  # type: ignore[return-value]


def prepare(folder: Path, weights: Path, options: dict[str, Any]) -> None:
    """Token arrays of train, test and a small validation split; fills in num_documents and lengths of `options`."""
    from tokenizers import Tokenizer

    from textmill.data.tokens import Encoded, write_split

    corpus = read_corpus(options["data"])
    names = sorted(set(corpus["train"][1]))
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(options["max_length"])
    generator = np.random.default_rng(0)
    corpus["validation"] = tuple(part[:NUM_VALIDATION] for part in corpus["train"])  # type: ignore[assignment]
    for split, (texts, labels) in corpus.items():
        kept = np.arange(len(texts))
        if split != "validation":
            most = options["documents"] if split == "train" else options["test_documents"]
            kept = generator.permutation(len(texts))[: most or len(texts)]
        encoded = Encoded.join([e.ids for e in tokenizer.encode_batch([texts[i] for i in kept])])
        indices = np.array([names.index(labels[i]) for i in kept], np.uint32)
        write_split(folder, split, [(encoded, indices)], tokenizer.get_vocab_size())
        if split == "train":
            assert len(set(indices.tolist())) == len(names), "too few documents: a class is missing"
            options["num_documents"], options["lengths"] = len(kept), encoded.lengths.tolist()
    meta = {
        "task": "single_label", "labels": names, "target": None, "pad_id": 0, "max_length": options["max_length"],
        "long_documents": {"strategy": "truncate", "head_share": 0.25, "overlap": 0, "max_windows": 1},
    }  # fmt: skip
    (folder / "tokens.json").write_text(json.dumps(meta))


def in_process(function: str, arguments: list[Any], answer: Path) -> Any:
    """Call a function of training_contenders in a new process; its output is shown only if it fails."""
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom benchmarks import training_contenders as module\n"
        "name, arguments, answer = json.loads(sys.argv[1])\n"
        "arguments = [Path(a['path']) if isinstance(a, dict) and set(a) == {'path'} else a for a in arguments]\n"
        "Path(answer).write_text(json.dumps(getattr(module, name)(*arguments)))\n"
    )
    plain = [{"path": str(a)} if isinstance(a, Path) else a for a in arguments]
    command = [sys.executable, "-c", code, json.dumps([function, plain, str(answer)])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{function}{arguments[:1]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return json.loads(answer.read_text())


def shape_of(weights: Path, options: dict[str, Any]) -> dict[str, int]:
    """Layers, width, feed-forward width of the encoder."""
    from transformers import AutoConfig, BertConfig

    config = BertConfig() if options["model"] == "bert-base" else AutoConfig.from_pretrained(weights)
    return {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "feed_forward": config.intermediate_size,
    }


def flops_of_a_document(shape: dict[str, int], lengths: list[int]) -> float:
    """Model FLOPs of training on one document, forward and backward, on average."""
    in_products = shape["layers"] * (4 * shape["hidden"] ** 2 + 2 * shape["hidden"] * shape["feed_forward"])
    tokens = np.array(lengths, float)
    return float((6 * in_products * tokens + 12 * shape["layers"] * shape["hidden"] * tokens**2).mean())


def summarise(runs: list[dict[str, Any]], flops: float, peak: dict[str, float]) -> dict[str, Any]:
    """Mean and values by contender; ratios of textmill to the others, seed by seed."""
    figures: dict[str, Any] = {}
    rates = {name: [run[name]["documents_per_s"] for run in runs] for name in runs[0]}
    for name in rates:
        scores = [run[name]["f1_macro"] for run in runs]
        figures[name] = {
            "documents_per_s": {"mean": round(statistics.mean(rates[name]), 3), "values": rates[name]},
            "f1_macro": {"mean": None if None in scores else round(statistics.mean(scores), 4), "values": scores},
            "share_of_own_shapes": round(statistics.mean(rates[name]) * flops / 1e12 / peak["own_shapes"], 4),
            "share_of_square": round(statistics.mean(rates[name]) * flops / 1e12 / peak["square"], 4),
            "peak_mb": max(run[name]["peak_mb"] for run in runs),
            **({"gpu_peak_mb": max(r[name]["gpu_peak_mb"] for r in runs)} if "gpu_peak_mb" in runs[0][name] else {}),
        }
    for other in set(rates) - {"textmill"} if "textmill" in rates else ():
        ratios = [mine / theirs for mine, theirs in zip(rates["textmill"], rates[other], strict=True)]
        figures[f"textmill_to_{other}"] = {
            "mean": round(statistics.mean(ratios), 2),
            "values": [round(ratio, 2) for ratio in ratios],
        }
    return figures


def parse() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["bbc-news", "20-newsgroups"], default="bbc-news")
    parser.add_argument("--model", choices=["minilm", "bert-base"], default="minilm", help="bert-base is untrained")
    parser.add_argument("--contenders", choices=CONTENDERS, nargs="+", default=list(CONTENDERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--documents", type=int, default=400, help="of train; 0 takes all")
    parser.add_argument("--test-documents", type=int, default=0, help="0 takes all")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=30.0, help="most of one contender's training")
    parser.add_argument("--batch-size", type=int, default=16, help="of tuned and textmill")
    parser.add_argument("--batch-tokens", type=int, default=16384, help="of textmill")
    parser.add_argument("--dropout", type=float, default=0.1, help="of textmill; Trainer has the weights' own 0.1")
    parser.add_argument("--packing", action="store_true", help="training.packing of textmill")
    parser.add_argument("--name", help="of the results file")
    return vars(parser.parse_args())


def main() -> None:
    from ruamel.yaml import YAML

    from textmill.assets import resolve

    options = parse()
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    weights = resolve(params["model"]["weights"])
    runs = []
    with TemporaryDirectory(prefix="textmill-") as temporary:
        folder = Path(temporary)
        prepare(folder, weights, options)
        lengths = options.pop("lengths")
        shape = shape_of(weights, options)
        tokens = min(options["batch_tokens"], int(options["batch_size"] * np.mean(lengths)))
        peak = in_process("matrix_rate", [tokens, shape["hidden"], shape["feed_forward"]], folder / "rate.json")
        print(f"{options['num_documents']} documents of {np.mean(lengths):.0f} tokens; TFLOP/s: {peak}", flush=True)
        for number, seed in enumerate(options["seeds"]):
            run = {}
            for turn in range(len(options["contenders"])):  # each begins a round once
                contender = options["contenders"][(number + turn) % len(options["contenders"])]
                run[contender] = in_process("train", [contender, folder, weights, seed, options], folder / "run.json")
                print(f"seed {seed}, {contender}: {run[contender]}", flush=True)
            runs.append(run)
        flops = flops_of_a_document(shape, lengths)
        figures = summarise(runs, flops, peak)
    settings = {**options, "mean_tokens": round(float(np.mean(lengths)), 1), "gflops_of_a_document": flops / 1e9}
    name = options["name"] or f"training-{options['data']}-{options['model']}"
    write_result(name, {"settings": settings, "tflops": peak, **figures, "runs": runs})


if __name__ == "__main__":
    main()

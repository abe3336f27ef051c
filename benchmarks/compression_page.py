"""Renders docs/compression-results.md from benchmarks/results/compression-*.json: no figure is written by hand."""

from typing import Any, NamedTuple

from benchmarks.clone import ROOT
from benchmarks.compression_recipes import DATASETS
from textmill.artifacts import read_json

PAGE = ROOT / "docs/compression-results.md"
RESULTS = ROOT / "benchmarks/results"
TITLES = {"bbc-news": "BBC News", "reuters-r8": "Reuters R8", "20-newsgroups": "20 Newsgroups"}
HEAD = """# What compression costs and brings

Variants of a MiniLM of six layers that was fine-tuned on each dataset, beside this full model as PyTorch runs it:
eager, float32. One thread, one document at a time, from text to label, tokenization included.

- **MB**: of the bundle (graph, tokenizer and manifest), beside the float32 weights and the tokenizer.
- **ms**: of documents of the test split, on which the contenders take turns in one run. How many times faster: the
  ratio of medians, and its range over the rounds. The bundle of the full model, which onnxruntime runs, is faster than
  PyTorch by itself; a column says how many times faster than this bundle a variant is.
- **Macro-F1**: of the whole test split. Points: its difference to the full model, with the 95 % interval of the paired
  bootstrap; same: the share of documents that are given the full model's label. Settings were chosen on the validation
  split.

A goal is called met by the differences that were measured; an interval that reaches far below 0 says that the test
split is too small to tell. Documents are real ones, cut to the tokens that the dataset's preset says. Tokenization,
which no method shortens, is a part of every model's time, and most of the smallest ones'.
"""


class Published(NamedTuple):
    method: str
    source: str
    smaller: str
    faster: str
    kept: str
    conditions: str


PUBLISHED = (
    Published(
        "DistilBERT",
        "[Sanh et al. 2019](https://arxiv.org/abs/1910.01108)",
        "40 % fewer parameters",
        "60 % faster (1.6x)",
        "97 % of the score",
        "GLUE; beside BERT-base; distilled in pretraining, on a CPU, one document at a time",
    ),
    Published(
        "TinyBERT, 4 layers",
        "[Jiao et al. 2020](https://arxiv.org/abs/1909.10351)",
        "7.5x",
        "9.4x",
        "more than 96.8 % of the score",
        "GLUE; beside BERT-base; distilled in pretraining and on the task",
    ),
    Published(
        "onnxruntime, dynamic int8",
        "[Tunstall et al. 2022](https://github.com/nlp-with-transformers/notebooks), chapter 8",
        "4.0x",
        "2.3x",
        "accuracy 86.8 before, 87.7 after",
        "CLINC150, one short query at a time on one thread of a CPU; a DistilBERT beside itself in float32",
    ),
    Published(
        "CoFi (structured pruning)",
        "[Xia et al. 2022](https://arxiv.org/abs/2204.00408)",
        "",
        "over 10x",
        "a small drop of accuracy",
        "GLUE and SQuAD; beside BERT-base; pruned and distilled on the task",
    ),
    Published(
        "nn_pruning (block pruning)",
        "[Lagunas et al. 2021](https://arxiv.org/abs/2109.04838)",
        "74 % smaller",
        "2.4x",
        "F1 1 % lower",
        "SQuAD v1; BERT-base beside itself; pruned and distilled on the task, on a GPU",
    ),
)


def render() -> None:
    PAGE.write_text(page_of(read_results()), encoding="utf-8")


def read_results() -> list[dict[str, Any]]:
    paths = [RESULTS / f"compression-{data}.json" for data in DATASETS]
    return [read_json(path) for path in paths if path.exists()]


def page_of(results: list[dict[str, Any]]) -> str:
    """The whole page."""
    parts = [HEAD, _goals(results)] if results else [HEAD]
    for result in results:
        parts += [f"## {TITLES[result['data']]}\n", _conditions(result), _table(result), _recipes(result)]
    return "\n".join([*parts, _published(), _commands(results)])


def _goals(results: list[dict[str, Any]]) -> str:
    lines = [
        f"| goal | {' | '.join(TITLES[result['data']] for result in results)} |",
        f"|---|{'---|' * len(results)}",
    ]
    for judged in zip(*(result["goals"] for result in results), strict=True):
        met = [", ".join(one["met_by"]) or ("not met" if one["tried"] else "not tried") for one in judged]
        lines.append(f"| {judged[0]['goal']} | {' | '.join(met)} |")
    return "\n".join(lines) + "\n"


def _conditions(result: dict[str, Any]) -> str:
    machine = result["hardware"]
    return (
        f"{result['num_documents']:,} test documents; latency on {result['latency_documents']} of them of "
        f"{result['mean_tokens']:.0f} tokens on average (at most {result['max_length']}), in {result['rounds']} "
        f"rounds. {machine['cpu']} ({machine['instructions']}), {machine['cores']} cores, onnxruntime "
        f"{machine['onnxruntime']}, PyTorch {result['pytorch']}, commit {result['commit']}. "
        f"Others had the processor {100 * result['waiting_share']:.0f} % of the time.\n"
    )


def _table(result: dict[str, Any]) -> str:
    torch = result["torch"]
    lines = [
        "| model | MB | x smaller | p50 ms | p95 ms | x faster | x faster than the bundle | macro-F1 | points | same |",
        "|---|---|---|---|---|---|---|---|---|---|",
        f"| full, PyTorch | {torch['size_mb']:.1f} | 1.0 | {torch['latency_p50_ms']:.2f} "
        f"| {torch['latency_p95_ms']:.2f} | 1.0 | | {100 * torch['f1_macro']:.1f} | | |",
    ]
    for name, one in result["variants"].items():
        low, high = one["f1_points_interval"]
        slowest, fastest = min(one["times_faster_of_rounds"]), max(one["times_faster_of_rounds"])
        lines.append(
            f"| {'full, bundle' if name == 'full' else name} | {one['size_mb']:.1f} | {one['times_smaller']:.1f} "
            f"| {one['latency_p50_ms']:.2f} | {one['latency_p95_ms']:.2f} "
            f"| {one['times_faster']:.1f} ({slowest:.1f} to {fastest:.1f}) "
            f"| {one['times_faster_than_bundle']:.1f} | {100 * one['f1_macro']:.1f} "
            f"| {one['f1_points']:+.1f} ({low:+.1f} to {high:+.1f}) | {100 * one['agreement']:.1f} % |"
        )
    return "\n".join(lines) + "\n"


def _recipes(result: dict[str, Any]) -> str:
    lines = ["Recipes, each from `full`:\n"]
    for name, one in result["variants"].items():
        if one["steps"]:
            lines.append(f"- **{name}**: {' → '.join(f'`{_spell(step)}`' for step in one['steps'])}")
    return "\n".join(lines) + "\n"


def _published() -> str:
    lines = [
        "## Published figures\n",
        "As published, each with its own task, model and machine: they say what such methods bring, not how these",
        "compare with the tables above.\n",
        "| method | source | smaller | faster | quality | conditions |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(one)} |" for one in PUBLISHED]
    return "\n".join(lines) + "\n"


def _commands(results: list[dict[str, Any]]) -> str:
    lines = [f"python -m benchmarks.bench_compression --data {one['data']} --run FOLDER --make" for one in results]
    return "\n".join(["## Commands\n", "```sh", *lines, "```\n"])


def _spell(step: dict[str, Any]) -> str:
    return f"{step['method']}({', '.join(f'{key} {_value(value)}' for key, value in step.items() if key != 'method')})"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)

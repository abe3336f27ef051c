"""Renders docs/results.md from the rows of benchmarks/results/quality.json: no figure is written by hand."""

from typing import Any

from benchmarks.clone import ROOT
from benchmarks.results_settings import DATASETS, FAMILIES, REFERENCES, SEEDS

PAGE = ROOT / "docs/results.md"
TITLES = {
    "bbc-news": "BBC News: five topics, no given test set, so that each seed has one of its own",
    "reuters-r8": "Reuters R8: eight topics, the published test set",
    "20-newsgroups": "20 Newsgroups: the published test set (by date)",
}
HEAD = """# Results

What each family reaches on the test split, after training with the defaults of its search space or the values below
(no search). Mean ± sample standard deviation over the seeds in the table, in percent. The seed changes the validation
split, the new weights and the order of training; where a dataset has no test set of its own, the test split too.

Documents that stand in train and in the given test set are taken out of train (see [cleaning](cleaning.md)), which the
published figures do not do; the test sets are whole, but for rows without a text. Published figures are accuracies on
the same test sets; ours are accuracy and macro-F1.
"""
LIMITS = """## What limits it

- **Tokens.** What stands behind `tokenize.max_length` is not read. More of them (variants `long` and `windows`) cost
  time in proportion; [tokenize prints](tokenization.md) what share of the documents is cut.
- **The encoder.** The default weights are a MiniLM of six layers, distilled and then trained for sentence similarity.
  Its vocabulary and pretraining are general English; variant `pretrained` goes on with masked language modelling on
  the train split before fine-tuning. The published figures are of encoders several times as large.
- **Words decide topics.** Where the baseline is close to a network, single words carry the label, and a larger model
  has little to add.
- **Chance.** A spread that is as wide as the distance between two rows says that they do not differ; variant
  `ensemble` averages three models of the seeds that follow.

## Commands

Every row is one command, which runs the last commit in a fresh clone, and writes `benchmarks/results/quality.json` and
this page. The seconds in the tables are the mean of a seed's run from the raw files to the test figures, on a machine
that may have had other work; what a seed does not change comes from DVC's cache. `--seeds`, `--set` and `--variant`
make other rows.
"""


def render(rows: list[dict[str, Any]]) -> None:
    PAGE.write_text(page_of(rows), encoding="utf-8")


def page_of(rows: list[dict[str, Any]]) -> str:
    """The whole page."""
    parts = [HEAD]
    for data in DATASETS:
        of_data = [row for row in rows if row["data"] == data]
        if of_data:
            parts += [f"## {TITLES[data]}\n", _table(of_data), _references(data), _machines(of_data)]
    parts += [LIMITS, _commands(rows), _settings(rows)]
    return "\n".join(part for part in parts if part)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| model | accuracy | macro-F1 | seeds | test documents | MB | ms | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        runs = row["runs"]
        tested = sorted({run["num_test_documents"] for run in runs})
        lines.append(
            f"| {_title(row)} | {_percent(row['accuracy'])} | {_percent(row['f1_macro'])} "
            f"| {', '.join(str(run['seed']) for run in runs)} "
            f"| {' to '.join(f'{count:,}' for count in dict.fromkeys((tested[0], tested[-1])))} "
            f"| {runs[0]['size_mb']:.1f} | {min(run['latency_p50_ms'] for run in runs):.1f} | {row['seconds']:,} |"
        )
    return "\n".join(lines) + "\n\nMB and ms: the exported model (float32) and its median latency for one document.\n"


def _references(data: str) -> str:
    if data not in REFERENCES:
        return ""
    lines = ["| published | accuracy | source |", "|---|---|---|"]
    lines += [f"| {one.model} | {one.accuracy:.1f} | {one.source} |" for one in REFERENCES[data]]
    return "\n".join(lines) + "\n"


def _machines(rows: list[dict[str, Any]]) -> str:
    machines = dict.fromkeys(f"{row['hardware']['cpu']}, {row['hardware']['cores']} cores" for row in rows)
    commits = dict.fromkeys(row["commit"] for row in rows)
    return f"Measured on {'; '.join(machines)}, at commit {', '.join(commits)}.\n"


def _commands(rows: list[dict[str, Any]]) -> str:
    return "\n".join(["```sh", *(_command(row) for row in rows), "```\n"]) if rows else ""


def _settings(rows: list[dict[str, Any]]) -> str:
    """Each family's settings on top of the preset, and what its rows have beside."""
    lines = ["## Settings\n", "On top of each dataset's preset:\n"]
    for family in FAMILIES:
        of_family = [row for row in rows if row["family"] == family]
        if not of_family:
            continue
        common = {
            key: value
            for key, value in of_family[0]["settings"].items()
            if all(row["settings"].get(key) == value for row in of_family)
        }
        lines.append(f"- **{family}**: {_spell(common)}")
        for row in of_family:
            own = {key: value for key, value in row["settings"].items() if key not in common}
            if own:
                lines.append(f"  - {row['data']}{', ' + row['variant'] if row['variant'] else ''}: {_spell(own)}")
    return "\n".join(lines) + "\n"


def _title(row: dict[str, Any]) -> str:
    return f"{row['family']}, {row['variant']}" if row["variant"] else str(row["family"])


def _percent(figure: dict[str, float | None]) -> str:
    mean, spread = figure["mean"], figure["spread"]
    assert mean is not None
    return f"{100 * mean:.1f}" if spread is None else f"{100 * mean:.1f} ± {100 * spread:.1f}"


def _command(row: dict[str, Any]) -> str:
    words = ["python -m benchmarks.bench_results", f"--data {row['data']}", f"--family {row['family']}"]
    if row["variant"]:
        words.append(f"--variant {row['variant']}")
    if (seeds := [run["seed"] for run in row["runs"]]) != SEEDS:
        words.append(f"--seeds {' '.join(map(str, seeds))}")
    if row["set"]:
        words.append(f"--set {' '.join(f'{key}={_value(value)}' for key, value in row['set'].items())}")
    return " ".join(words)


def _spell(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{key}: {_value(value)}`" for key, value in settings.items()) or "nothing more"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(one)}" for key, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)

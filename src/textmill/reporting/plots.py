"""The figures of the page: each takes the numbers of a report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from textmill.reporting.facts import name_model
from textmill.reporting.figures import Figure, axis, finite, line, plain

_MOST_DOTS = 800  # each costs 20 bytes of the page
AS_SERVED, UNSCALED, ADAPTIVE = "as served", "before scaling", "bins of equal counts"
_STYLES = {
    AS_SERVED: ("--accent", "solid", "circle"),
    UNSCALED: ("--muted", "dot", "square"),
    ADAPTIVE: ("--second", "dash", "diamond"),
}
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
_COLOURS = ("--accent", "--second", "--good", "--bad", "--warn", "--muted")
_PIXELS_A_CLASS = 13
_SPANS_MUCH = 5  # times the smallest value
_MOST_TICKS = 12


def learning_curves(curves: pd.DataFrame, score: str) -> Figure:
    """Validation score above, losses below, over epochs; `curves` is models/trained/curves.csv."""
    epochs = curves["epoch"].tolist()
    train, validation, scores = (
        finite(curves[f"{name}"]) for name in ("train_loss", "validation_loss", "validation_score")
    )
    data = [
        line(f"{score} on validation", epochs, scores, "--accent", yaxis="y2"),
        line("train loss", epochs, train, "--muted", dash="dash", symbol="square"),
        line("validation loss", epochs, validation, "--second", symbol="diamond"),
    ]
    layout = {
        "xaxis": axis("epoch", tick0=0, dtick=-(-len(epochs) // _MOST_TICKS)),
        "yaxis": axis("loss", domain=[0, 0.44]),
        "yaxis2": axis(score, domain=[0.54, 1], anchor="x"),
        "hovermode": "x unified",
    }
    best = max((value for value in scores if value is not None), default=math.nan)
    label = f"Learning curves over {len(epochs)} epochs: {score} on validation reaches {best:.3f}."
    columns = ("Epoch", "Train loss", "Validation loss", f"{score} on validation")
    return Figure(
        "curves", label, data, layout, columns, list(zip(epochs, train, validation, scores, strict=True)), 380
    )


def trials(search: Mapping[str, Any], score: str) -> Figure:
    """Score of each trial by its number, and the best so far; `search` is models/search/study.json."""
    scored = [trial for trial in search["trials"] if trial["score"] is not None]
    complete = [trial for trial in scored if trial["state"] == "complete"]
    best = pd.Series([trial["score"] for trial in complete], dtype=float)
    best = best.cummin() if search["directions"][0] == "minimize" else best.cummax()
    steps = line("best so far", [trial["number"] for trial in complete], finite(best), "--accent", mode="lines")
    data = [{**steps, "line": {"color": "--accent", "width": 2, "shape": "hv"}}]
    for state, colour, symbol in (("complete", "--accent", "circle"), ("pruned", "--muted", "x")):
        points = [trial for trial in scored if trial["state"] == state]
        numbers, values = [trial["number"] for trial in points], [trial["score"] for trial in points]
        data.append(line(state, numbers, finite(values), colour, symbol=symbol, mode="markers"))
    layout = {
        "xaxis": axis("trial", tick0=0, dtick=-(-len(search["trials"]) // _MOST_TICKS)),
        "yaxis": axis(f"{score} on validation"),
    }
    rows = [(trial["number"], trial["state"], trial["score"]) for trial in scored]
    label = f"{len(scored)} trials with their {score}; the line is the best so far."
    return Figure("trials", label, data, layout, ("Trial", "State", score), rows)


def pareto(
    candidates: Sequence[Mapping[str, Any]], chosen: str, score: str, cost: str, label: str, limit: float | None
) -> Figure:
    """The score against a cost, size or latency; the budget's limit as a dashed line."""
    rows = sorted(candidates, key=lambda row: (row[cost], row["score"]))
    front = [row for row in rows if row["on_pareto_front"]]
    road = line("Pareto front", [row[cost] for row in front], [row["score"] for row in front], "--line", mode="lines")
    data = [{**road, "line": {"color": "--line", "width": 7}, "hoverinfo": "skip"}]
    kinds = (
        ("chosen", "--accent", "star", [row for row in rows if row["name"] == chosen]),
        ("other variants", "--ink", "circle", [r for r in rows if r["name"] != chosen and not r["is_baseline"]]),
        ("TF-IDF", "--second", "diamond", [row for row in rows if row["is_baseline"] and row["name"] != chosen]),
    )
    places = {row["name"]: ("top center", "bottom center", "middle right")[at % 3] for at, row in enumerate(rows)}
    for name, colour, symbol, of_kind in kinds:
        points = line(name, [row[cost] for row in of_kind], [row["score"] for row in of_kind], colour, symbol=symbol)
        names = [plain(name_model(row["name"])) for row in of_kind]
        points |= {"mode": "markers+text", "text": names, "textposition": [places[row["name"]] for row in of_kind]}
        points["marker"] |= {"size": 13 if name == "chosen" else 9}
        data.append({**points, "cliponaxis": False, "hovertemplate": "%{text}: %{y:.3f} at %{x:.3g}<extra></extra>"})
    scores, costs = [row["score"] for row in rows], [row[cost] for row in rows]
    if limit is not None:
        ends = [min(scores), max(scores)]
        data.append(line("budget", [limit, limit], ends, "--bad", dash="dash", mode="lines"))
        costs.append(limit)
    layout = {"xaxis": _cost_axis(label, costs), "yaxis": axis(f"{score} on validation")}
    told = [(name_model(r["name"]), r["score"], r[cost], r["on_pareto_front"]) for r in rows]
    table = [(name, value, price, "yes" if on_front else "no") for name, value, price, on_front in told]
    seen = f"{score} of {len(rows)} models against {label}; {len(front)} are on the Pareto front."
    return Figure(cost, seen, data, layout, ("Model", score, label, "On the front"), table, 340)


def _cost_axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    """Logarithmic where the values span much, with ticks that people write: 0.5, 2, 20."""
    smallest, largest = min(values), max(values)
    if largest < _SPANS_MUCH * smallest:
        air = 0.16 * (largest - smallest) or 0.1 * largest
        return axis(title, range=[smallest - air, largest + air])
    low, high = math.log10(smallest), math.log10(largest)
    air = 0.1 * (high - low)
    powers = range(math.floor(low - air), math.ceil(high + air) + 1)
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    written = {"tickvals": ticks, "ticktext": [f"{tick:,.10g}" for tick in ticks]}
    return axis(f"{title}, logarithmic", type="log", range=[low - air, high + air], **written)


def reliability(bins: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Accuracy against mean confidence in bins, by AS_SERVED, UNSCALED and ADAPTIVE, or some of them."""
    data = [line("ideal", [0, 1], [0, 1], "--muted", dash="dash", mode="lines", hoverinfo="skip", showlegend=False)]
    data[0]["line"] |= {"width": 1}
    largest = max(row["count"] for rows in bins.values() for row in rows)
    for name, rows in bins.items():
        colour, dash, symbol = _STYLES[name]
        x, y = [row["mean_confidence"] for row in rows], [row["accuracy"] for row in rows]
        drawn = line(name, finite(x), finite(y), colour, dash=dash, symbol=symbol)
        drawn["marker"] |= {"size": [5 + 13 * math.sqrt(row["count"] / largest) for row in rows], "opacity": 0.85}
        drawn |= {"text": [f"{row['count']:,}" for row in rows]}
        drawn |= {"hovertemplate": "confidence %{x:.3f}, right %{y:.3f}, %{text} answers"}
        data.append(drawn)
    lowest = min(min(row["mean_confidence"], row["accuracy"]) for rows in bins.values() for row in rows)
    span = [max(-0.03, lowest - 0.06), 1.04]
    layout = {"xaxis": axis("confidence", range=span), "yaxis": axis("share that is right", range=span)}
    table = [
        (name, row["mean_confidence"], row["accuracy"], row["count"]) for name, rows in bins.items() for row in rows
    ]
    label = "Reliability diagram: the share of right answers against confidence, which should be equal."
    return Figure("reliability", label, data, layout, ("", "Confidence", "Share right", "Answers"), table, 360)


def values(pairs: pd.DataFrame, bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Actual against predicted numbers, and their means in bins; on the dashed line they are equal."""
    shown = pairs.sample(min(len(pairs), _MOST_DOTS), random_state=0)
    ends = [float(pairs.to_numpy().min()), float(pairs.to_numpy().max())]
    ideal = line("equal", ends, ends, "--muted", dash="dash", mode="lines", hoverinfo="skip")
    dots = line("document", finite(shown["predicted"]), finite(shown["actual"]), "--muted", mode="markers")
    dots["marker"] |= {"size": 5, "opacity": 0.5}
    predicted, actual = [row["confidence"] for row in bins], [row["accuracy"] for row in bins]
    data = [ideal, dots, line("mean of a bin", finite(predicted), finite(actual), "--accent")]
    layout = {"xaxis": axis("predicted"), "yaxis": axis("actual")}
    table = [(row["confidence"], row["accuracy"], row["count"]) for row in bins]
    label = "Actual against predicted numbers; where the means of the bins leave the line, the model is biased."
    return Figure("values", label, data, layout, ("Mean predicted", "Mean actual", "Documents"), table, 360)


def risk_coverage(selective: Mapping[str, Any]) -> Figure:
    """The share of wrong answers among those given, against the share of documents that get one."""
    curve = selective["curve"]
    coverage, risk = [point["coverage"] for point in curve], [point["risk"] for point in curve]
    data = [line("share wrong", finite(coverage), finite(risk), "--accent", mode="lines")]
    data[0] |= {"text": [f"{point['threshold']:.3f}" for point in curve]}
    data[0] |= {"hovertemplate": "%{x:.1%} answered, %{y:.1%} of them wrong, from confidence %{text}<extra></extra>"}
    limit = line("largest allowed", [0, 1], [selective["max_risk"]] * 2, "--bad", dash="dash", mode="lines")
    data.append({**limit, "hoverinfo": "skip"})
    if selective["threshold"] is not None and selective["risk"] is not None:
        point = line(
            "suggested", [selective["coverage"]], [selective["risk"]], "--second", mode="markers", symbol="star"
        )
        point["marker"] |= {"size": 14}
        data.append(point)
    layout = {
        "xaxis": axis("share of documents answered", tickformat=".0%", range=[0, 1.02]),
        "yaxis": axis("share of answers wrong", tickformat=".0%", rangemode="tozero"),
    }
    rows = [(point["coverage"], point["risk"], point["threshold"]) for point in curve[:: max(1, len(curve) // 20)]]
    label = "Risk against coverage: the fewer of the least sure documents are answered, the fewer answers are wrong."
    return Figure("selective", label, data, layout, ("Answered", "Wrong of these", "Threshold"), rows, 360)


def throughput(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Documents a second by batch size, a line per model."""
    data = []
    for at, (name, points) in enumerate(curves.items()):
        sizes = [str(point["batch_size"]) for point in points]
        measured = finite(point["documents_per_s"] for point in points)
        colour, symbol = _COLOURS[at % len(_COLOURS)], _SYMBOLS[at % len(_SYMBOLS)]
        data.append(line(plain(name), sizes, measured, colour, symbol=symbol))
    speeds = [point["documents_per_s"] for points in curves.values() for point in points]
    layout = {"xaxis": axis("documents in a batch", type="category"), "yaxis": _cost_axis("documents a second", speeds)}
    rows = [(name, p["batch_size"], p["documents_per_s"]) for name, points in curves.items() for p in points]
    label = f"Throughput of {len(curves)} models by batch size."
    return Figure("throughput", label, data, layout, ("Model", "Batch", "Documents a second"), rows, 340)


def deletion(methods: Sequence[Mapping[str, Any]]) -> Figure:
    """How the model's decision weakens as words are taken away, those first that an explanation says matter most."""
    shares, first = methods[0]["shares"], methods[0]
    data = [line("in random order", shares, finite(first["random_curve"]), "--muted", dash="dash", symbol="square")]
    for at, method in enumerate(methods):
        colour, symbol = _COLOURS[at % len(_COLOURS)], _SYMBOLS[at % len(_SYMBOLS)]
        data.append(line(plain(method["method"], 60), shares, finite(method["curve"]), colour, symbol=symbol))
    layout = {
        "xaxis": axis("share of words taken away", tickformat=".0%"),
        "yaxis": axis("strength of the decision", rangemode="tozero"),
    }
    curves = [("in random order", first["random_curve"]), *((method["method"], method["curve"]) for method in methods)]
    rows = [(f"{100 * share:.0f} %", *values) for share, *values in zip(shares, *(c for _, c in curves), strict=True)]
    label = "Deletion test: strength of the decision against the share of words taken away, by order."
    return Figure("deletion", label, data, layout, ("Words taken away", *(name for name, _ in curves)), rows, 320)


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]], most: Sequence[Mapping[str, Any]]) -> Figure:
    """The confusion matrix of many classes as a picture; `most` are the confusions that its table tells."""
    shares = [[count / max(sum(row), 1) if count else None for count in row] for row in counts]
    names: list[str] = []
    for label in labels:  # equal names would share a row
        name, number = plain(label, 22), sum(other.startswith(plain(label, 22)) for other in names)
        names.append(f"{name} ({number + 1})" if name in names else name)
    drawn: dict[str, Any] = {"type": "heatmap", "z": shares, "x": names, "y": names}
    drawn |= {"text": [list(row) for row in counts]}
    drawn |= {"colorscale": ["--card", "--accent"], "zmin": 0, "zmax": 1, "xgap": 1, "ygap": 1, "hoverongaps": False}
    drawn |= {"colorbar": {"tickformat": ".0%", "thickness": 12, "title": {"text": "of the row"}}}
    drawn |= {"hovertemplate": "actual %{y}<br>predicted %{x}<br>%{text} documents, %{z:.1%}<extra></extra>"}
    side = {"type": "category", "tickfont": {"size": 10}, "showgrid": False, "dtick": 1 if len(labels) <= 60 else None}
    layout = {
        "xaxis": axis("predicted", **side, tickangle=-90),
        "yaxis": axis("actual", **side, autorange="reversed"),
    }
    rows = [(row["actual"], row["predicted"], row["count"], row["share"]) for row in most]
    label = f"Confusion matrix of {len(labels)} classes; its table names the most frequent confusions."
    columns = ("Actual", "Predicted", "Documents", "Share of the actual class")
    side_pixels = _PIXELS_A_CLASS * len(labels)
    return Figure("matrix", label, [drawn], layout, columns, rows, 260 + side_pixels, 260 + side_pixels)

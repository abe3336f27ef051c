"""Optuna's figures of a study, as JSON for the page that draws them."""

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from textmill.reporting.figures import encode

if TYPE_CHECKING:
    import optuna
    from plotly.graph_objects import Figure

_MOST_OBJECTIVES_DRAWN = 3
# Colours of page.css by name, which the page's script looks up: the same in light and dark would not be seen.
_TONES = {"COMPLETE": "--accent", "PRUNED": "--warn", "FAIL": "--bad", "RUNNING": "--good", "INFEASIBLE": "--muted"}
_MOST_MARKS = 12  # on an axis of reports
_PIXELS_A_KEY = 190  # of a slice, and of a coordinate


class Drawing(NamedTuple):
    """A figure with the words beside it."""

    name: str  # a word for its element
    title: str
    about: str  # one sentence: how it is read
    figure: Markup  # JSON that may stand inside <script>
    min_width: int = 0  # pixels; a narrower page scrolls
    on_white: bool = False  # also on a dark page: Optuna has given each line a colour


def draw(record: Mapping[str, Any], figure: str) -> list[Drawing]:
    """Every figure that the study has enough trials for.

    Args:
        record: models/search/study.json.
        figure: the first objective in words.
    """
    import optuna

    from textmill.search.rebuild import rebuild

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it warns of trials that a figure has no place for
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return list(_draw(record, rebuild(record), figure))


def _draw(record: Mapping[str, Any], study: "optuna.Study", figure: str) -> Iterator[Drawing]:
    from optuna import visualization

    complete = [trial for trial in record["trials"] if trial["state"] == "complete"]
    of_first: dict[str, Any] = {"target_name": figure}
    if len(record["objectives"]) > 1:  # a target hides from Optuna which direction is better
        of_first["target"] = lambda trial: trial.values[0]
    searched = [name for name in record["distributions"] if any(name in trial["values"] for trial in complete)]
    in_all = [name for name in searched if all(name in trial["values"] for trial in complete)]
    if complete:
        best = "" if "target" in of_first else ", and the best so far"
        told = f"The {figure} of each complete trial in their order{best}."
        yield _tell("history", "History", told, visualization.plot_optimization_history(study, **of_first))
    if complete and len(record["objectives"]) > 1:
        names = [figure, *record["objectives"][1:]][:_MOST_OBJECTIVES_DRAWN]
        front = visualization.plot_pareto_front(study, target_names=names, **_first_objectives(record, len(names)))
        yield _tell("front", "Pareto front", "Trials in red are beaten by no other in all objectives together.", front)
    if any(trial["reports"] for trial in record["trials"]) and len(record["objectives"]) == 1:
        yield _tell(
            "reports",
            "Reports of each trial",
            "The score on validation at each report; a line that ends early is a trial that the pruner stopped.",
            _reports(study, figure),
        )
    if record["importances"]["shares"]:
        yield _tell(
            "importance",
            "Importance",
            f"The share of the variance of {figure} that each key explains, by fANOVA.",
            _importance(record["importances"]["shares"]),
        )
    if len(complete) > 1 and in_all:
        width = _PIXELS_A_KEY * (len(in_all) + 1)
        one = len(record["objectives"]) == 1
        coordinates = visualization.plot_parallel_coordinate(study, params=in_all, **(of_first if one else {}))
        told = f"A line is a trial; the darker, the better its {figure if one else 'rank among the fronts'}."
        yield _tell("coordinates", "Parallel coordinates", told, coordinates, width, on_white=True)
    if complete and searched:
        told = f"The {figure} against one key at a time; early trials are orange, late ones green."
        slices = visualization.plot_slice(study, params=sorted(searched), **of_first)
        slices.update_xaxes(nticks=3, selector={"type": "log"})  # there is no room for 2 and 5 of each decade
        yield _tell("slices", "Slices", told, slices, _PIXELS_A_KEY * len(searched))
    if any(trial["started"] for trial in record["trials"]):
        timeline = visualization.plot_timeline(study)
        timeline.data = [bar for bar in timeline.data if bar.name != "WAITING"]
        yield _tell("timeline", "Timeline", "When each trial began and ended, and how.", timeline)


def _reports(study: "optuna.Study", figure: str) -> "Figure":
    """Reports are counted, so that the marks below them are whole numbers."""
    from optuna import visualization

    found = visualization.plot_intermediate_values(study)
    last = max(max(trial.intermediate_values, default=0) for trial in study.get_trials(deepcopy=False))
    distance = -(-last // _MOST_MARKS)
    return found.update_layout(yaxis_title=figure, xaxis={"title": "report", "dtick": distance, "tick0": 0})


def _first_objectives(record: Mapping[str, Any], number: int) -> dict[str, Any]:
    """More than three have no picture: the first three are drawn."""
    return {} if len(record["objectives"]) == number else {"targets": lambda trial: trial.values[:number]}


def _importance(shares: Mapping[str, float]) -> "Figure":
    """Bars of the shares that the study was described with, which Optuna's own plot would compute again."""
    from plotly import graph_objects

    names = list(shares)[::-1]
    bar = graph_objects.Bar(x=[shares[name] for name in names], y=names, orientation="h", texttemplate="%{x:.0%}")
    return graph_objects.Figure(bar, {"xaxis": {"title": {"text": "share"}, "tickformat": ".0%"}})


def _tell(
    name: str, title: str, about: str, figure: "Figure", min_width: int = 0, *, on_white: bool = False
) -> Drawing:
    """Without Plotly's title and template: the page has headings and colours of its own."""
    figure.update_layout(title=None, template={"layout": {}}, margin={"l": 60, "r": 20, "t": 30, "b": 50})
    figure.update_layout(width=None, height=None, autosize=True, plot_bgcolor=None, paper_bgcolor=None)
    told = json.loads(figure.to_json())
    for trace in told["data"]:
        if not on_white:
            _use_tones(trace, is_front=name == "front")
    return Drawing(name, title, about, encode(told), min_width, on_white)


def _use_tones(trace: dict[str, Any], *, is_front: bool) -> None:
    """Name tones of the page in place of Optuna's scales and states."""
    for part in ("line", "marker"):
        drawn = trace.get(part, {})
        if "colorscale" not in drawn:
            continue
        if is_front:  # red for the front alone, whatever the trial's number
            is_best = trace.get("name", "").startswith("Best") or "Best" in json.dumps(drawn.get("colorbar", {}))
            trace[part] = {"color": "--bad" if is_best else "--muted"}
        else:
            drawn["colorscale"] = ["--second", "--accent"]
    if trace.get("type") == "bar" and trace.get("name") in _TONES:
        trace["marker"] = {"color": _TONES[trace["name"]]}

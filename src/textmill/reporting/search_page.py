"""The search as one self-contained page with figures that can be pointed at; it needs a script, but no network."""

from collections.abc import Mapping, Sequence
from typing import Any

from textmill.reporting.scripts import read_scripts
from textmill.reporting.search_figures import draw
from textmill.reporting.templating import new_environment

_WORDS = {"fail": "failed"}
_TONES = {"complete": "good", "pruned": "warn", "fail": "bad"}


def render_search_page(
    project: str, record: Mapping[str, Any], figure: str, overrides: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The page as HTML; every text that is not ours is escaped.

    Args:
        record: models/search/study.json, of a search with trials.
        figure: the first objective in words.
        overrides: models/trained/overrides.json: key, used, written.
    """
    environment = new_environment(autoescape=True)
    environment.filters["value"] = say_value
    trials = [trial for trial in record["trials"] if trial["values"]]  # others ended before they began
    return environment.get_template("search.html.j2").render(
        project=project,
        record=record,
        figure=figure,
        capital=figure[:1].upper() + figure[1:],
        others=record["objectives"][1:],
        trials=[{**trial, "note": tell_note(trial)} for trial in trials],
        best=next((trial for trial in trials if trial["number"] == record["trial"]), None),
        counts={state: sum(trial["state"] == state for trial in trials) for state in ("complete", "pruned", "fail")},
        overrides=overrides,
        drawings=draw(record, figure),
        words=_WORDS,
        tones=_TONES,
        scripts=read_scripts(["figures.js", "tables.js", "page.js"], draws_in_webgl=True),
    )


def say_value(value: object) -> str:
    """Four figures of a number that is not whole, anything else as it is written."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def tell_note(trial: Mapping[str, Any]) -> str:
    """What is special about a trial: a copy, a retry, a broken limit, an error."""
    notes = []
    if trial["copy_of"] is not None:
        notes.append(f"same values as trial {trial['copy_of']}, not trained again")
    if trial["retry_of"] is not None:
        notes.append(f"again for trial {trial['retry_of']}")
    notes += [f"breaks {limit}" for limit, kept in trial["constraints"].items() if not kept["kept"]]
    notes += [reason for reason in (trial["error"], trial["stopped"]) if reason]
    return "; ".join(notes)

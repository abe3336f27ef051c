"""The runs of a search's trials, nested under its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

_TAG_CHARACTERS = 5000  # MLflow keeps 8000
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}


def log_trials(parent: Any, trials: Sequence[dict[str, Any]]) -> None:
    """Log the ended trials of a search, each as a run nested under the search's.

    A trial that has such a run already is left as it is, and one whose run was left unfinished by a kill is completed:
    the call can be repeated with all trials. FAILED is a trial that raised or lost its process, KILLED one that was
    pruned, FINISHED a complete one; the tag `textmill.state` has its word. Trials without values, which ended before
    they began, have no run.

    Args:
        trials: as `search.describe.describe` tells them.
    """
    import mlflow
    from mlflow.entities import Metric, Param

    client, parent_id = mlflow.MlflowClient(), parent.info.run_id
    ended = [trial for trial in trials if trial["state"] in _STATUS and trial["values"]]
    runs = _find_trials(client, parent, ended)
    for trial in ended:
        number = str(trial["number"])
        status, run_id = runs.get(number, (None, None))
        if status not in (None, "RUNNING"):
            continue
        started = int(1000 * datetime.fromisoformat(trial["started"]).timestamp())
        stopped = started + int(1000 * (trial["seconds"] or 0))
        if run_id is None:
            told = {key: trial[key] for key in ("state", "error", "stopped", "copy_of", "retry_of", "worker")}
            tags = {f"textmill.{key}": str(value)[:_TAG_CHARACTERS] for key, value in told.items() if value is not None}
            tags |= {"mlflow.parentRunId": parent_id, "textmill.trial": number}
            new = client.create_run(parent.info.experiment_id, started, tags, run_name=f"trial-{number}")
            run_id = new.info.run_id
        figures = {name: trial[name] for name in ("score", "seconds", "epochs") if trial[name] is not None}
        metrics = [Metric(name, value, stopped, 0) for name, value in {**figures, **trial["figures"]}.items()]
        metrics += [Metric("validation_score", value, stopped, step) for step, value in trial["reports"]]
        client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in trial["values"].items()])
        client.set_terminated(run_id, _STATUS[trial["state"]], end_time=stopped)


def _find_trials(client: Any, parent: Any, trials: Sequence[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Status and id of the nested runs of a search, by the trial's number."""
    query, token, found = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", None, {}
    if len(trials) == 1:  # after each trial; a long study has many others
        query += f" and tags.`textmill.trial` = '{trials[0]['number']}'"
    while True:
        page = client.search_runs([parent.info.experiment_id], query, page_token=token)
        found.update({run.data.tags.get("textmill.trial"): (run.info.status, run.info.run_id) for run in page})
        token = page.token
        if not token:
            return found

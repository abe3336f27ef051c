"""Who is champion: the aliases, moved under a lock, past the gate, with who, when and why on the version."""

import getpass
import os
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from textmill.artifacts import read_table
from textmill.errors import UserError
from textmill.evaluation.answers import output_of, write_answers
from textmill.evaluation.primary import name_primary
from textmill.paths import Paths
from textmill.registry import packaging, versions
from textmill.registry.gate import Contender, Decision, Rule, Settings, decide
from textmill.registry.versions import Version
from textmill.runtime import Classifier, Progress

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
_CROWNED = "textmill.promoted_at"


class PromotionRefused(UserError):
    """The gate said no, or the registry is not as it was expected to be."""


@dataclass(frozen=True)
class Promotion:
    """What `promote` did; `decision` is a text, why there is none, where it was forced without the gate."""

    version: int
    previous: int | None
    decision: Decision | str


def judge(
    client: "MlflowClient",
    model: str,
    candidate: Contender,
    test: pd.DataFrame,
    settings: Settings,
    progress: Progress = None,
) -> Decision:
    """Hold a candidate against the registered champion, which is run again on today's test documents.

    A candidate that is itself the champion, or meets none, faces the floor only. A champion that cannot be run is no
    failure either, but a reason to refuse: a person has to decide who takes its place.
    """
    number = versions.aliases(client, model).get(CHAMPION)
    if number is None or number == candidate.version:
        return decide(test, candidate, None, settings)
    try:
        champion = contender(versions.get(client, model, number), test, progress)
    except UserError as error:
        refused = replace(decide(test, candidate, None, settings), passed=False, champion_version=number)
        return replace(refused, rules=[*refused.rules, _lost(number, error)])
    return decide(test, candidate, champion, settings)


def _lost(champion: int, error: UserError) -> Rule:
    message = (
        f"champion version {champion} cannot be run: {error} Or put another in its place: "
        "`textmill promote --version N --force --reason TEXT`"
    )
    return Rule("champion_loads", "no", "yes", False, "block", message)


def contender(version: Version, test: pd.DataFrame, progress: Progress = None) -> Contender:
    """Run a registered version on the test documents, each alone, as it is served."""
    classifier = Classifier.load(packaging.fetch_bundle(version))
    outputs = output_of(classifier)(test["text"].tolist(), 1, progress)
    return Contender(
        task=classifier.task,
        labels=classifier.labels,
        predicted_N=write_answers(classifier, outputs),
        train_clusters=packaging.fetch_train_clusters(version),
        version=version.number,
    )


def place(
    client: "MlflowClient",
    version: Version,
    decision: Decision,
    auto_promote: Literal["never", "first", "gate"],
) -> None:
    """Give a freshly registered version its alias: champion, challenger, or none if it was refused.

    Hold the lock around it. A version that is or was champion is left where people put it: else the next run would
    undo a rollback.
    """
    if was_champion(client, version):
        return
    aliases = versions.aliases(client, version.model)
    champion = aliases.get(CHAMPION)
    if not decision.passed:
        if aliases.get(CHALLENGER) == version.number:
            client.delete_registered_model_alias(version.model, CHALLENGER)
    elif auto_promote == "gate" or (auto_promote == "first" and champion is None):
        reason = "first version, above the floor" if champion is None else "passed the gate (register.auto_promote)"
        crown(client, version, reason)
    else:
        client.set_registered_model_alias(version.model, CHALLENGER, str(version.number))


def was_champion(client: "MlflowClient", version: Version) -> bool:
    """Whether a version is champion, or once was."""
    return _CROWNED in version.tags or versions.aliases(client, version.model).get(CHAMPION) == version.number


def crown(client: "MlflowClient", version: Version, reason: str) -> int | None:
    """Make a version champion and the old one `previous`, and write down who, when and why; return the old one.

    Hold the lock around it. Who and why come first, so that no kill leaves a champion without them; when comes last,
    because it marks a version that was champion.
    """
    aliases = versions.aliases(client, version.model)
    old = aliases.get(CHAMPION)
    record = {
        "textmill.promoted_by": f"{getpass.getuser()}@{socket.gethostname()}",
        "textmill.promoted_because": reason,
        "textmill.promoted_over": str(old or "none"),
    }
    versions.set_tags(client, version, record)
    if old is not None and old != version.number:
        client.set_registered_model_alias(version.model, PREVIOUS, str(old))
    client.set_registered_model_alias(version.model, CHAMPION, str(version.number))
    versions.set_tags(client, version, {_CROWNED: datetime.now(UTC).isoformat(timespec="seconds")})
    if aliases.get(CHALLENGER) == version.number:
        client.delete_registered_model_alias(version.model, CHALLENGER)
    return old


def promote(
    paths: Paths,
    model: str,
    settings: Settings,
    *,
    reference: str | int = CHALLENGER,
    force: bool = False,
    reason: str | None = None,
    progress: Progress = None,
) -> Promotion:
    """Make a version the champion, if the gate lets it pass on today's test split.

    Args:
        reference: number or alias of the version.
        force: past a gate that refuses, or that has no test split to judge by; needs a reason, which is written on
            the version.

    Raises: PromotionRefused, VersionNotFound, InvalidBundle, MissingArtifact.
    """
    if force and not (reason or "").strip():
        raise PromotionRefused("--force passes a gate that refuses, so it needs --reason TEXT, kept on the version.")
    client = versions.open_existing(paths)
    with versions.locked(paths):
        version = versions.get(client, model, reference)
        champion = versions.aliases(client, model).get(CHAMPION)
        if champion == version.number:
            raise PromotionRefused(f"{model} version {version.number} is the champion already; nothing was moved.")
        decision = _judge_registered(client, version, paths.split("test"), settings, force, progress)
        versions.set_tags(client, version, gate_tags(decision))
        if isinstance(decision, Decision) and not decision.passed and not force:
            lines = "\n".join(f"  - {text}" for text in decision.reasons)
            raise PromotionRefused(
                f"The gate refuses {model} version {version.number} (champion: version {champion or 'none'}):\n"
                f"{lines}\nTrain a better one, or overrule it with `textmill promote --version {version.number} "
                "--force --reason TEXT`."
            )
        # The lock keeps other textmill processes out, not a person in the MLflow page.
        if (now := versions.aliases(client, model).get(CHAMPION)) != champion:
            raise PromotionRefused(
                f"The champion of {model} changed from version {champion or 'none'} to {now or 'none'} while the gate "
                "ran; nothing was moved. Run `textmill promote` again to meet the new champion."
            )
        crown(client, version, reason or "passed the gate")
    return Promotion(version.number, champion, decision)


def _judge_registered(
    client: "MlflowClient", version: Version, test_file: Path, settings: Settings, force: bool, progress: Progress
) -> Decision | str:
    """The gate's decision; a text, why there is none, where `force` does without a test split.

    Force excuses the champion and the test split, never the candidate: nobody could be answered by it.
    """
    try:
        test, excused = read_table(test_file, ["id", "text", "label", "cluster"]), None
    except UserError as error:
        if not force:
            raise
        test, excused = pd.DataFrame({"text": []}), str(error)
    candidate = contender(version, test, progress)
    return excused or judge(client, version.model, candidate, test, settings, progress)


def gate_tags(decision: Decision | str) -> dict[str, str]:
    """The decision, or why there is none, as tags of a version."""
    if isinstance(decision, str):
        return {"textmill.gate": "not run", "textmill.gate_reasons": decision, "textmill.gate_champion": "none"}
    return {
        "textmill.gate": "passed" if decision.passed else "refused",
        "textmill.gate_reasons": "; ".join(decision.reasons) or "none",
        "textmill.gate_champion": str(decision.champion_version or "none"),
    }


def inside_experiment() -> str | None:
    """The name of the DVC experiment that this process is a part of."""
    if "DVC_EXP_BASELINE_REV" not in os.environ:
        return None
    return os.environ.get("DVC_EXP_NAME") or "unnamed"


def explain(decision: Decision | str) -> list[str]:
    """What the gate said, in lines for the terminal."""
    if isinstance(decision, str):
        return [f"gate: not run, {decision}"]
    lines = [f"gate: {'passed' if decision.passed else 'refused'}, on {decision.num_documents} test documents"]
    lines += [f"  refused: {text}" for text in decision.reasons] + [f"  note: {text}" for text in decision.warnings]
    if decision.num_left_out:
        lines.append(f"  note: {decision.num_left_out} test documents left out, for a model has learned from them")
    if decision.difference and decision.smallest_detectable_loss is not None:
        lines.append(
            f"  {name_primary(decision.task)} {decision.difference['observed']:+.4f} against version "
            f"{decision.champion_version}; the smallest loss that these documents reveal is "
            f"{decision.smallest_detectable_loss:.4f}"
        )
    return lines

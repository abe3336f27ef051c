"""Who is champion: the aliases, moved under a lock, past the gate, with who, when and why on the version."""

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from textmill.artifacts import read_table
from textmill.errors import UserError
from textmill.paths import Paths
from textmill.registry import versions
from textmill.registry.gate import Contender, Decision, Settings, decide
from textmill.registry.versions import Version
from textmill.runtime import Classifier, Progress

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


class PromotionRefused(UserError):
    """The gate said no, or the registry is not as it was expected to be."""


@dataclass(frozen=True)
class Promotion:
    """What `promote` did."""

    version: int
    previous: int | None
    decision: Decision | None


def judge(
    client: "MlflowClient",
    model: str,
    candidate: Contender,
    test: pd.DataFrame,
    settings: Settings,
    progress: Progress = None,
) -> Decision:
    """Hold a candidate against the registered champion, which is run again on today's test documents.

    A candidate that is itself the champion, or meets none, faces the floor only.
    """
    number = versions.aliases(client, model).get(CHAMPION)
    if number is None or number == candidate.version:
        return decide(test, candidate, None, settings)
    return decide(test, candidate, contender(versions.get(client, model, number), test, progress), settings)


def contender(version: Version, test: pd.DataFrame, progress: Progress = None) -> Contender:
    """Run a registered version on the test documents, each alone, as it is served."""
    classifier = Classifier.load(versions.fetch_bundle(version))
    indices_N = classifier.predict_proba(test["text"].tolist(), 1, progress).argmax(axis=1)
    predicted_N = np.array(classifier.labels, dtype=object)[indices_N]
    return Contender(classifier.labels, predicted_N, versions.fetch_train_clusters(version), version.number)


def place(
    client: "MlflowClient",
    version: Version,
    decision: Decision,
    auto_promote: Literal["never", "first", "gate"],
) -> None:
    """Give a freshly registered version its alias: champion, challenger, or none if it was refused.

    Hold the lock around it. Where this very version is champion already, nothing moves.
    """
    aliases = versions.aliases(client, version.model)
    champion = aliases.get(CHAMPION)
    if champion == version.number:
        return
    if not decision.passed:
        if aliases.get(CHALLENGER) == version.number:
            client.delete_registered_model_alias(version.model, CHALLENGER)
    elif auto_promote == "gate" or (auto_promote == "first" and champion is None):
        reason = "first version, above the floor" if champion is None else "passed the gate (register.auto_promote)"
        crown(client, version, reason)
    else:
        client.set_registered_model_alias(version.model, CHALLENGER, str(version.number))


def crown(client: "MlflowClient", version: Version, reason: str) -> int | None:
    """Make a version champion and the old one `previous`, and write down who, when and why; return the old one.

    Hold the lock around it.
    """
    aliases = versions.aliases(client, version.model)
    old = aliases.get(CHAMPION)
    if old is not None and old != version.number:
        client.set_registered_model_alias(version.model, PREVIOUS, str(old))
    client.set_registered_model_alias(version.model, CHAMPION, str(version.number))
    if aliases.get(CHALLENGER) == version.number:
        client.delete_registered_model_alias(version.model, CHALLENGER)
    record = {
        "textmill.promoted_by": f"{getpass.getuser()}@{socket.gethostname()}",
        "textmill.promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "textmill.promoted_because": reason,
        "textmill.promoted_over": str(old or "none"),
    }
    versions.set_tags(client, version, record)
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
        force: past a gate that refuses; needs a reason, which is written on the version.

    Raises: PromotionRefused, VersionNotFound, MissingArtifact.
    """
    if force and not (reason or "").strip():
        raise PromotionRefused("--force passes a gate that refuses, so it needs --reason TEXT, kept on the version.")
    client = versions.open_existing(paths, model)
    with versions.locked(paths):
        version = versions.get(client, model, reference)
        champion = versions.aliases(client, model).get(CHAMPION)
        if champion == version.number:
            raise PromotionRefused(f"{model} version {version.number} is the champion already; nothing was moved.")
        decision = _judge_registered(client, version, paths.split("test"), settings, force, progress)
        if decision:
            versions.set_tags(client, version, gate_tags(decision))
            if not decision.passed and not force:
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
) -> Decision | None:
    """The gate's decision; None if it cannot be had and `force` does without it."""
    try:
        test = read_table(test_file, ["id", "text", "label", "cluster"])
        return judge(client, version.model, contender(version, test, progress), test, settings, progress)
    except UserError:
        if not force:
            raise
        return None


def gate_tags(decision: Decision) -> dict[str, str]:
    """The decision as tags of a version."""
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


def explain(decision: Decision) -> list[str]:
    """What the gate said, in lines for the terminal."""
    lines = [f"gate: {'passed' if decision.passed else 'refused'}, on {decision.num_documents} test documents"]
    lines += [f"  refused: {text}" for text in decision.reasons] + [f"  note: {text}" for text in decision.warnings]
    if decision.num_left_out:
        lines.append(f"  note: {decision.num_left_out} test documents left out, for a model has learned from them")
    if decision.difference and decision.smallest_detectable_loss is not None:
        lines.append(
            f"  macro-F1 {decision.difference['observed']:+.4f} against version {decision.champion_version}; the "
            f"smallest loss that these documents reveal is {decision.smallest_detectable_loss:.4f}"
        )
    return lines

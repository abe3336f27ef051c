"""What data look like in numbers: the profile of a run, which can be frozen and compared with later ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from textmill.data.contract.classes import Classes
from textmill.data.contract.tables import Table

QUANTILES = {"minimum": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "maximum": 1.0}
_DIGITS = 6


def build_profile(
    *,
    project: str,
    source: Mapping[str, Any],
    classes: Classes,
    num_characters: "pd.Series[int]",
    scripts: Sequence[str],
    raw: Table,
    texts: Table,
) -> dict[str, Any]:
    """Put the numbers together; the same data give the same profile.

    Args:
        source: what names the source, such as {uri, sha256}.
        classes: documents of each class; of each range of the number for regression.
        num_characters: lengths of the documents.
        scripts: of the sampled texts.
        raw, texts: tables of the suites of these names.

    Returns:
        {project, source, documents, labels: {label: share}, target: see Classes, characters: {quantile: length},
        scripts: {script: share}, shares: {missing, duplicate, quarantined, email, phone: share; the last two if they
        were looked for}, classes: {label: {documents, train, validation, test}}, sample: number of texts that scripts,
        email and phone
        are shares of}.
    """
    total = classes.sizes["documents"]
    lengths = num_characters.dropna().to_numpy(float)
    of_scripts = pd.Series(scripts, dtype=str).value_counts(normalize=True)
    found = {"missing": raw, "duplicate": raw, "quarantined": raw, "email": texts, "phone": texts}
    shares = {name: table.rows[name].mean() for name, table in found.items() if name in table.rows}
    return {
        "project": project,
        "source": dict(source),
        "documents": total,
        "labels": {str(label): _round(share) for label, share in classes.shares("documents").items()},
        "target": None if classes.target is None else dict(classes.target),
        "characters": {
            name: _round(value)
            for name, value in zip(QUANTILES, np.quantile(lengths, list(QUANTILES.values())), strict=True)
        }
        if len(lengths)
        else {},
        "scripts": {
            str(name): _round(share) for name, share in sorted(of_scripts.items(), key=lambda item: (-item[1], item[0]))
        },
        "shares": {name: _round(share) for name, share in shares.items() if np.isfinite(share)},
        "classes": {
            str(label): {str(name): int(count) for name, count in row.items()}
            for label, row in classes.counts.iterrows()
        },
        "sample": len(scripts),
    }


def _round(value: float) -> float:
    return round(float(value), _DIGITS)

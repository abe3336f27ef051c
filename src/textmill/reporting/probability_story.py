"""What the page tells of probabilities: whether they mean what they say, and what may be done with them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from textmill.paths import Paths
from textmill.reporting import plots
from textmill.reporting.facts import Facts
from textmill.reporting.quality_story import span


def tell_probabilities(facts: Facts, paths: Paths) -> dict[str, Any]:
    """Calibration, selective prediction and prediction sets of the chosen model on test.

    Returns:
        calibration: figure, error with low and high, if_calibrated (what perfect probabilities would show on so many
        documents), error_before (without the temperature, None where that is 1), adaptive (in bins of equal counts);
        None where it was not measured. For regression the figure alone. selective, conformal: as in report.json with
        a figure and rows, or None.
    """
    report = facts.report
    if facts.task == "regression":
        pairs = pd.read_csv(paths.evaluation("test", facts.chosen["name"]) / "confusion.csv")
        figure = plots.values(pairs, report["calibration"])
        return {"calibration": {"figure": figure}, "selective": None, "conformal": report.get("conformal")}
    bins = {plots.AS_SERVED: report["calibration"]}
    examined = report.get("adaptive_calibration")
    equal_width = examined["equal_width"] if examined else {}
    is_scaled = report["temperature"] != 1
    if examined:
        bins |= {plots.UNSCALED: equal_width["bins_unscaled"]} if is_scaled else {}
        bins |= {plots.ADAPTIVE: examined["bins"]}
    return {
        "calibration": {
            "figure": plots.reliability(bins),
            "error": facts.chosen["ece"],
            "low": equal_width.get("error_low"),
            "high": equal_width.get("error_high"),
            "if_calibrated": equal_width.get("error_if_calibrated"),
            "error_before": equal_width.get("error_unscaled") if is_scaled else None,
            "adaptive": examined["error"] if examined else None,
        },
        "selective": _tell_selective(report.get("selective")),
        "conformal": _tell_conformal(report.get("conformal")),
    }


def _tell_selective(selective: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {**selective, "figure": plots.risk_coverage(selective)} if selective and selective["curve"] else None


def _tell_conformal(conformal: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """With rows of sizes (size, count, share), and of classes, the least covered first."""
    if not conformal:
        return None
    total = max(sum(conformal["sizes"].values()), 1)
    sizes = sorted(((int(size), count) for size, count in conformal["sizes"].items()))
    classes = sorted(conformal["per_class"].items(), key=lambda item: (item[1] is None, item[1]))
    return {
        **conformal,
        "sizes": [{"size": size, "count": count, "share": count / total} for size, count in sizes],
        "classes": classes,
        "scale": span([(value, value) for _, value in classes], lowest=0.0),
    }

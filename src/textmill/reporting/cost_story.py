"""What the page tells of costs: the Pareto front on validation, and what the models need to run."""

from typing import Any

from textmill.reporting import plots
from textmill.reporting.facts import Facts, name_model


def tell_costs(facts: Facts) -> dict[str, Any]:
    """Figures of the front by size and by latency, and `efficiency`: a row per model and a figure of throughput, None
    where nothing was measured."""
    candidates, chosen, score = facts.selection["candidates"], facts.chosen["name"], facts.figure
    budget = facts.selection["budget"]
    return {
        "size": plots.pareto(candidates, chosen, score, "size_mb", "size in MB", budget["max_size_mb"]),
        "latency": plots.pareto(candidates, chosen, score, "latency_p50_ms", "latency in ms", budget["max_latency_ms"]),
        "efficiency": _tell_efficiency(facts),
    }


def _tell_efficiency(facts: Facts) -> dict[str, Any] | None:
    found = {name: report["efficiency"] for name, report in facts.reports.items() if report.get("efficiency")}
    if facts.chosen["name"] not in found:
        return None
    curves = {name_model(name): of["throughput"] for name, of in found.items() if of["throughput"]}
    by_name = {model["name"]: model for model in facts.models}
    return {
        "rows": [{**by_name[name], **of} for name, of in found.items()],
        "throughput": plots.throughput(curves) if curves else None,
        "has_energy": any(of["energy_joules_per_document"] is not None for of in found.values()),
        "median_tokens": found[facts.chosen["name"]]["median_tokens"],
        "threads": found[facts.chosen["name"]]["threads"],
    }

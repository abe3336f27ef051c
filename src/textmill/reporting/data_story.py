"""What the page tells of the data, from the source to the label audit, put into the order that it is told in."""

from collections.abc import Mapping
from typing import Any

from textmill.artifacts import iter_table, read_json
from textmill.paths import Paths

_MOST_CLASSES = 40
_MOST_ISSUES = 10
_MOST_FILES = 50
_REASONS = {
    "empty_text": "no text is left after cleaning",
    "too_short": "shorter than clean.min_characters",
    "too_long": "longer than clean.max_characters",
    "missing_label": "no label",
    "unknown_label": "a label that clean.labels does not list",
    "bar_in_label": "a label holds |, which stands between labels in textmill's tables",
    "not_a_number": "the label is no finite number",
    "rare_label": "too few documents have this label",
    "duplicate": "equal to a document that is kept",
    "conflicting_labels": "equal texts with different labels: all of them go",
    "near_duplicate": "nearly equal to a document that is kept",
    "near_conflicting_labels": "nearly equal texts with different labels: all of them go",
    "leaks_into_test": "equal or nearly equal to a document of the given test set",
    "leaks_into_validation": "equal or nearly equal to a document of the given validation set",
}
_STEPS = {
    "repair_unicode": "Broken Unicode mended",
    "html_to_text": "HTML made text",
    "remove_control": "Control characters removed",
    "collapse_whitespace": "White space collapsed",
    "lowercase": "Lower-cased",
    "mask_urls": "Web addresses masked",
    "mask_emails": "E-mail addresses masked",
    "mask_numbers": "Numbers masked",
}


def read_data_story(paths: Paths) -> dict[str, Any]:
    """Source, cleaning, splits, contract, tokens and label audit. Raises: MissingArtifact: a stage has not run."""
    source, clean = read_json(paths.source), read_json(paths.clean_summary)
    contract, profile = read_json(paths.validation_report), read_json(paths.profile)
    tokens = read_json(paths.tokens / "tokens.json")
    return {
        "source": source,
        "sources": tell_sources(source),
        "clean": clean,
        "rows": tell_rows(clean),
        "repaired": [(_STEPS.get(step, step), count) for step, count in clean["repaired"].items() if count],
        "classes": tell_classes(profile),
        "contract": contract,
        "failed": [row for row in contract["expectations"] if not row["passed"]],
        "audit": read_json(paths.label_audit),
        "tokens": tokens,
        "read": tell_length(tokens, paths),
    }


def tell_length(tokens: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """`max_length` of the model, and `truncated_share` of the train documents; a search may have found a shorter one
    than that of data/tokens.
    """
    described = paths.model("trained") / "torch/model.json"
    model = read_json(described) if described.exists() else {}
    share = model.get("truncated_share")
    return {
        "max_length": model.get("max_length", tokens["max_length"]),
        "truncated_share": tokens["splits"]["train"]["truncated_share"] if share is None else share,
    }


def tell_sources(source: Mapping[str, Any]) -> dict[str, Any]:
    """Where the rows came from.

    Returns:
        `splits`: split, uri, rows and sha256 of each, where every split has a source of its own, else empty;
        `files`: name and sha256 of each, where one source has several, and `num_more` beyond those.
    """
    rows = {part["split"]: part["num_rows"] for part in source["parts"]}
    splits = [
        {"split": split, "uri": record["uri"], "rows": rows.get(split), "sha256": record["sha256"]}
        for split, record in source.get("sources", {}).items()
    ]
    files = list(source.get("files", {}).items())
    return {"splits": splits, "files": files[:_MOST_FILES], "num_more": max(0, len(files) - _MOST_FILES)}


def tell_rows(clean: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The way of the rows: those that were read, those that each reason took away, those that are left.

    Each with name, count, share of all that were read, a note, and `kind`: read, gone or kept.
    """
    gone = [
        ("gone", reason.replace("_", " "), count, _REASONS.get(reason, ""))
        for reason, count in clean["reasons"].items()
        if count
    ]
    rows = [("read", "read", clean["ingested"], ""), *gone, ("kept", "kept", clean["kept"], "")]
    return [
        {"kind": kind, "name": name, "count": count, "share": count / max(clean["ingested"], 1), "note": note}
        for kind, name, count, note in rows
    ]


def tell_classes(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Documents of each class and split, the largest class first; `rows`, `total`, and how many classes are left out.

    A share is of the largest class, for the bars.
    """
    classes = sorted(profile["classes"].items(), key=lambda item: (-item[1]["documents"], item[0]))
    largest = max((counts["documents"] for _, counts in classes), default=1)
    columns = ("documents", "train", "validation", "test")
    return {
        "rows": [
            {"label": label, "of_largest": counts["documents"] / largest, **counts}
            for label, counts in classes[:_MOST_CLASSES]
        ],
        "total": {name: sum(counts[name] for _, counts in classes) for name in columns},
        "num_more": max(0, len(classes) - _MOST_CLASSES),
    }


def read_label_issues(paths: Paths, *, include_texts: bool) -> list[dict[str, Any]]:
    """The most doubtful labels: rank, id, text (None where texts are not to be shown), label, suggested, confidence."""
    first = next(iter_table(paths.label_issues, _MOST_ISSUES), None)
    rows = [] if first is None else first.to_dict("records")
    return [{**{str(k): v for k, v in row.items()}, "text": row["text"] if include_texts else None} for row in rows]

"""Why a row goes to quarantine, and what its owner can do about it."""

from dataclasses import dataclass

KEPT = -1  # in place of a position in REASONS


@dataclass(frozen=True)
class Reason:
    """What a reason means, and what helps."""

    meaning: str
    advice: str


REASONS: dict[str, Reason] = {
    "empty_text": Reason(
        "there is no text, or nothing of it to be seen",
        "Fill in the text where the data come from, or leave the row: nothing can be learnt from it.",
    ),
    "too_short": Reason(
        "the cleaned text is shorter than clean.min_characters",
        "Lower clean.min_characters if such texts are real.",
    ),
    "too_long": Reason(
        "the cleaned text is longer than clean.max_characters, or it was 20 times as long before cleaning",
        "Raise clean.max_characters, or cut the texts: a model sees no more than tokenize.max_length tokens.",
    ),
    "missing_label": Reason(
        "there is no label",
        "Label the row. If very many miss theirs, data.label may name the wrong column.",
    ),
    "unknown_label": Reason(
        "clean.labels does not list the label",
        "List it in clean.labels, also as an alias of another, or leave it out on purpose.",
    ),
    "bar_in_label": Reason(
        "a label holds |, which stands between the labels of a document in textmill's tables",
        "If it stands between labels in the source too, set data.label_separator to it; else rename the label.",
    ),
    "not_a_number": Reason(
        "the label is no finite number, and the task is regression",
        "Write it as 12.5 or 1e-3: with a point, without a unit. If very many go, data.label may be the wrong column.",
    ),
    "rare_label": Reason(
        "its label has fewer documents than clean.rare_labels.min_documents",
        "Collect more of them, merge rare labels (clean.rare_labels.action: merge), or lower min_documents.",
    ),
    "duplicate": Reason(
        "the same text, but for case and white space, stays under the same label",
        "Nothing, as a rule. clean.exact_duplicates: false keeps them, all in one split.",
    ),
    "conflicting_labels": Reason(
        "the same text has different labels, and nobody knows which is right",
        "Decide on the label where the data come from; data.label_corrections corrects rows that were kept.",
    ),
    "near_duplicate": Reason(
        "nearly the same text stays under the same label",
        "Look at a few. If they differ in what matters, raise clean.near_duplicates.threshold, or set its action to "
        "group, which keeps them in one split.",
    ),
    "near_conflicting_labels": Reason(
        "nearly the same text has another label",
        "Decide on the labels. If the texts differ in what matters, raise clean.near_duplicates.threshold, or set its "
        "action to group.",
    ),
    "leaks_into_test": Reason(
        "the same or nearly the same text stands in the given test set",
        "Nothing: to learn from it would inflate the results.",
    ),
    "leaks_into_validation": Reason(
        "the same or nearly the same text stands in the given validation set",
        "Nothing: to learn from it would mislead the choice of a model.",
    ),
}
CODES = {name: code for code, name in enumerate(REASONS)}
# Reasons for which another document stays in place of the row.
REPLACED = frozenset(("duplicate", "near_duplicate", "leaks_into_test", "leaks_into_validation"))
LEAKS = frozenset(("leaks_into_test", "leaks_into_validation"))

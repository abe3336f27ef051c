"""Cleaning of texts, in one order, each step with its own switch: pure functions of batches, no files."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textmill.data.cleaning.markup import html_to_text
from textmill.data.cleaning.masks import mask_emails, mask_numbers, mask_urls
from textmill.data.cleaning.text_repair import collapse_whitespace, is_blank, remove_control, repair_unicode

# In the order in which they run; the names are the switches of the section `clean`. HTML comes first, because entities
# can hide mojibake and characters; control characters after the repair, which mojibake is made of; addresses before
# numbers, which they hold; white space last, because all of the others leave some.
STEPS: dict[str, Callable[[str], str]] = {
    "html_to_text": html_to_text,
    "repair_unicode": repair_unicode,
    "remove_control": remove_control,
    "mask_urls": mask_urls,
    "mask_emails": mask_emails,
    "mask_numbers": mask_numbers,
    "lowercase": str.lower,
    "collapse_whitespace": collapse_whitespace,
}
TEXT_REASONS = ("empty_text", "too_short", "too_long")
# A text so many times as long as the longest allowed is too long, and is not cleaned: markup and white space that make
# up 95 % of a text are no document, and 50 MB of them would take seconds.
HOPELESS = 20
# The same for the costliest step, without markup and white space: mojibake is at most four times as long as the text.
HOPELESS_TO_REPAIR = 4


@dataclass(frozen=True)
class TextRules:
    """What is done to a text, and how long it may be afterwards.

    Attributes:
        steps: names of STEPS that are switched on, in any order.
        min_characters, max_characters: bounds on the cleaned text, both allowed.
    """

    steps: frozenset[str]
    min_characters: int
    max_characters: int


def clean_texts(texts: Sequence[str | None], rules: TextRules) -> tuple[list[str], list[str | None], Counter[str]]:
    """Clean a batch of texts.

    Returns:
        The cleaned texts, empty where the text cannot be used; why not, one of TEXT_REASONS, or None where it can;
        and how many of the texts each step changed.
    """
    steps = [(name, step) for name, step in STEPS.items() if name in rules.steps]
    changed: Counter[str] = Counter()
    cleaned: list[str] = []
    reasons: list[str | None] = []
    for text in texts:
        found, reason = ("", "empty_text") if text is None else _clean(text, steps, rules, changed)
        cleaned.append(found if reason is None else "")
        reasons.append(reason)
    return cleaned, reasons, changed


def _clean(
    text: str, steps: Sequence[tuple[str, Callable[[str], str]]], rules: TextRules, changed: Counter[str]
) -> tuple[str, str | None]:
    if len(text) > HOPELESS * rules.max_characters:
        return "", "too_long"
    longest = HOPELESS_TO_REPAIR * rules.max_characters
    for name, step in steps:
        if name == "repair_unicode" and len(text) > longest and len(collapse_whitespace(text)) > longest:
            return "", "too_long"
        before, text = text, step(text)
        changed[name] += text != before
    return text, find_text_reason(text, rules)


def find_text_reason(text: str, rules: TextRules) -> str | None:
    """Why a cleaned text cannot be used, one of TEXT_REASONS; None where it can."""
    if is_blank(text):
        return "empty_text"
    if len(text) < rules.min_characters:
        return "too_short"
    return "too_long" if len(text) > rules.max_characters else None

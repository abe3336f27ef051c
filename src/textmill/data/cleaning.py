"""Cleaning of texts, in one order, each step with its own switch: pure functions of batches, no files."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textmill.data.markup import html_to_text
from textmill.data.masks import mask_emails, mask_numbers, mask_urls
from textmill.data.text_repair import collapse_whitespace, is_blank, remove_control, repair_unicode

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
# A text so many times as long as the longest allowed is not cleaned at all, and too long: markup and white space
# that make up 95 % of a text are no document, and 50 MB of them would take seconds.
HOPELESS = 20


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
        if text is None or len(text) > HOPELESS * rules.max_characters:
            reason: str | None = "empty_text" if text is None else "too_long"
        else:
            for name, step in steps:
                before, text = text, step(text)
                changed[name] += text != before
            reason = find_text_reason(text, rules)
        cleaned.append(text if text and reason is None else "")
        reasons.append(reason)
    return cleaned, reasons, changed


def find_text_reason(text: str, rules: TextRules) -> str | None:
    """Why a cleaned text cannot be used, one of TEXT_REASONS; None where it can."""
    if is_blank(text):
        return "empty_text"
    if len(text) < rules.min_characters:
        return "too_short"
    return "too_long" if len(text) > rules.max_characters else None

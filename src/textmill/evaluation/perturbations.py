"""Texts spoilt in one way each: what people, keyboards and careless software do to them.

All are seeded, need no model, and say what they keep. What becomes of the label is a claim (`expects`): a spoilt text
of the kind `same` still means what it did, so that a changed answer is a fault; where it `may change`, the difference
measures how far the model listens, and less is not always better.

Sources: Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models with CheckList (2020); Damerau (1964) for
typing errors; Unicode Technical Standard 39 for characters that look alike; Pham et al., Out of Order: How Important Is
the Sequential Order of Words in a Sentence in Natural Language Understanding Tasks? (2021) for word order.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from textmill.data.typing_errors import mistype

_SHARE = 0.1  # of the words that are mistyped or get a look-alike, and of the gaps that are lost; one at least
_WINDOW = 3  # words that change places

_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"(?<=\S)\s+(?=\S)")
# What ends, parts and encloses sentences, in several scripts: no symbols, such as $, % and emoji, which mean something.
_MARKS = re.escape("!\"'(),-.:;?[]{}…–—“”‘’„‚«»‹›¡¿、。，！？；：「」『』（）【】《》،؛؟।")  # noqa: RUF001
_LONE_MARKS = re.compile(rf"(?:^|\s+)[{_MARKS}]+(?!\S)")
# Within words and numbers they stay: don't, 3.5.
_OUTER_MARKS = re.compile(rf"(?<![\w{_MARKS}])[{_MARKS}]++|[{_MARKS}]++(?!\w)")
_LOOK_ALIKES = str.maketrans(
    "aceghijopsxyABCEHIJKMNOPSTXYZ",
    # Cyrillic (of g the Armenian, of h the shha), and Greek N, Y and Z.
    "\u0430\u0441\u0435\u0581\u04bb\u0456\u0458\u043e\u0440\u0455\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u039d\u041e\u0420\u0405\u0422\u0425\u03a5\u0396",
)
_REPLACEABLE = re.compile(rf"[^\W\d_]*[{''.join(map(chr, _LOOK_ALIKES))}][^\W\d_]*")
_VERBS = r"am|is|are|was|were|can|could|will|would|should|must|does|did|(?:it|that|he|she|there)['\u2019]s"
_NEGATABLE = re.compile(
    r"\b(?P<short>won|can)['\u2019]t\b|\b(?P<cannot>can)not\b"
    rf"|\b(?P<denied>{_VERBS}|do|have|has|had)(?: not\b|n['\u2019]t\b)"
    rf"|\b(?P<affirmed>{_VERBS})\b",
    re.IGNORECASE,
)


class Perturbation(NamedTuple):
    """`spoil(text, generator)` gives the text itself where it has nothing to be spoilt; never an empty one."""

    spoil: Callable[[str, np.random.Generator], str]
    says: str
    expects: Literal["same", "may change"]


def misspell(text: str, generator: np.random.Generator) -> str:
    """One typing error in a share of the words. Keeps the number of words."""
    return _change_some(_LETTERS, text, generator, lambda word: mistype(word, generator))


def recase(text: str, generator: np.random.Generator) -> str:
    """All in capitals, none, or one for each word. Keeps the letters."""
    capitalised = _WORD.sub(lambda word: word[0][:1].upper() + word[0][1:].lower(), text)
    return _draw(text, [text.upper(), text.lower(), capitalised], generator)


def repunctuate(text: str, generator: np.random.Generator) -> str:
    """No punctuation but within words and numbers, or every mark twice. Keeps letters, digits and symbols."""
    removed = _OUTER_MARKS.sub("", _LONE_MARKS.sub("", text)).strip()
    doubled = _OUTER_MARKS.sub(lambda marks: "".join(mark * 2 for mark in marks[0]), text)
    return _draw(text, [removed, doubled], generator)


def respace(text: str, generator: np.random.Generator) -> str:
    """Two spaces between words, a line for each word, or some words joined. Keeps all other characters."""
    joined = _change_some(_GAP, text, generator, lambda gap: "")
    return _draw(text, [_GAP.sub("  ", text), _GAP.sub("\n", text), joined], generator)


def truncate(text: str, generator: np.random.Generator) -> str:
    """The first half of the words, rounded up."""
    words = list(_WORD.finditer(text))
    return text[: words[(len(words) - 1) // 2].end()] if len(words) > 1 else text


def reorder(text: str, generator: np.random.Generator) -> str:
    """In every three words, each takes another place. Keeps the words, and the white space between them."""
    words = _WORD.findall(text)
    moved = []
    for start in range(0, len(words), _WINDOW):
        window = words[start : start + _WINDOW]
        turn = int(generator.integers(1, len(window))) if len(window) > 1 else 0
        moved += window[turn:] + window[:turn]
    places = iter(moved)
    return _WORD.sub(lambda word: next(places), text)


def disguise(text: str, generator: np.random.Generator) -> str:
    """One letter in a share of the words becomes its look-alike of another script. Keeps the length."""

    def replace(word: str) -> str:
        known = [at for at, letter in enumerate(word) if ord(letter) in _LOOK_ALIKES]
        at = known[generator.integers(len(known))]
        return word[:at] + word[at].translate(_LOOK_ALIKES) + word[at + 1 :]

    return _change_some(_REPLACEABLE, text, generator, replace)


def negate(text: str, generator: np.random.Generator) -> str:
    """Every English auxiliary verb gets a "not", or loses it. A rule on words alone: it knows no grammar."""
    return _NEGATABLE.sub(_negate_verb, text)


def _negate_verb(verb: re.Match[str]) -> str:
    if verb["affirmed"]:
        return f"{verb['affirmed']} not"
    if verb["short"]:
        return verb["short"][0] + ("ill" if verb["short"].lower() == "won" else "an")
    return verb["cannot"] or verb["denied"]


def _change_some(
    pattern: re.Pattern[str], text: str, generator: np.random.Generator, change: Callable[[str], str]
) -> str:
    """The text with a share of the pattern's places changed, one at least."""
    num_places = sum(1 for _ in pattern.finditer(text))
    if not num_places:
        return text
    chosen = generator.random(num_places) < _SHARE
    if not chosen.any():
        chosen[generator.integers(num_places)] = True
    draws = iter(chosen.tolist())
    return pattern.sub(lambda place: change(place[0]) if next(draws) else place[0], text)


def _draw(text: str, forms: list[str], generator: np.random.Generator) -> str:
    """One of the forms that differ from the text and are not empty."""
    changed = [form for form in dict.fromkeys(forms) if form.strip() and form != text]
    return changed[generator.integers(len(changed))] if changed else text


# A new way costs one function, one line here, and its name in `config.evaluation.Perturbation`.
PERTURBATIONS: dict[str, Perturbation] = {
    "typos": Perturbation(misspell, "a typing error in one word of ten", "same"),
    "casing": Perturbation(recase, "all capitals, none, or one for each word", "same"),
    "punctuation": Perturbation(repunctuate, "punctuation left out, or doubled", "same"),
    "whitespace": Perturbation(respace, "spaces doubled, made line breaks, or one of ten lost", "same"),
    "truncation": Perturbation(truncate, "the first half of the words", "may change"),
    "word_order": Perturbation(reorder, "words change places within every three", "may change"),
    "homoglyphs": Perturbation(disguise, "a letter of another script that looks alike, in one word of ten", "same"),
    "negation": Perturbation(negate, "every English auxiliary verb negated, or affirmed", "may change"),
}

"""What the documents hold once text and label are known: classes, lengths, scripts, duplicates, damage."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from textmill.data.duplicates.exact import normalise
from textmill.data.scripts import script_of
from textmill.tasks import Task

NUM_SAMPLED_ALL = 20_000  # documents whose script and damage are looked at; after these, every tenth
SAMPLE_CHARACTERS = 10_000  # of each
HTML = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>|&(amp|lt|gt|quot|nbsp|#\d{2,5});")
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[A-Za-z]{2,}")
# Tokens of a subword tokenizer: about 1.3 a word of English; scripts without spaces get about one a character.
TOKENS_A_WORD = 1.3
SPACELESS = ("Han", "Japanese", "Thai", "Khmer", "Lao", "Myanmar", "Tibetan")


@dataclass
class DocumentsProfile:
    """Counts over documents, with about 30 bytes a document in memory.

    Attributes:
        task, separator: what the label column holds: several labels of a field are counted each, numbers are not.
    """

    task: Task = "single_label"
    separator: str = ","
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    num_documents: int = 0
    num_missing_texts: int = 0
    num_missing_labels: int = 0
    num_sampled: int = 0
    scripts: Counter[str] = field(default_factory=Counter)
    num_mojibake: int = 0
    num_html: int = 0
    num_email: int = 0
    _characters: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    _words: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    _keys: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    _label_keys: list[npt.NDArray[np.int32]] = field(default_factory=list)
    _split_keys: list[npt.NDArray[np.int8]] = field(default_factory=list)
    _label_numbers: dict[str, int] = field(default_factory=dict)
    _split_numbers: dict[str, int] = field(default_factory=dict)

    def update(self, texts: Sequence[str | None], labels: Sequence[str | None], splits: Sequence[str | None]) -> None:
        """Count a batch: text, label and split of each document, None where one is missing."""
        self.num_documents += len(texts)
        self.splits.update(split or "" for split in splits)
        found = [label.strip() if label else "" for label in labels]
        self.labels.update(filter(None, self._split(found)))
        self.num_missing_labels += found.count("")
        rows = [number for number, text in enumerate(texts) if text and not text.isspace()]
        self.num_missing_texts += len(texts) - len(rows)
        self._add([texts[row] or "" for row in rows], [found[row] for row in rows], [splits[row] or "" for row in rows])

    def _split(self, found: Sequence[str]) -> Iterable[str]:
        if self.task == "multi_label":
            return (part.strip() for label in found for part in label.split(self.separator))
        return [] if self.task == "regression" else found

    def _add(self, texts: list[str], labels: list[str], splits: list[str]) -> None:
        self._characters.append(np.array([len(text) for text in texts], np.uint32))
        self._words.append(np.array([len(text.split()) for text in texts], np.uint32))
        self._keys.append(np.array([_key(text) for text in texts], np.uint64))
        self._label_keys.append(np.array([_number(label, self._label_numbers) for label in labels], np.int32))
        self._split_keys.append(np.array([_number(split, self._split_numbers) for split in splits], np.int8))
        self._sample(texts)

    def _sample(self, texts: list[str]) -> None:
        from ftfy.badness import is_bad

        for whole in texts if self.num_documents <= NUM_SAMPLED_ALL else texts[::10]:
            text = whole[:SAMPLE_CHARACTERS]
            self.num_sampled += 1
            self.scripts[script_of(text)] += 1
            self.num_mojibake += "\ufffd" in text or (not text.isascii() and is_bad(text))
            self.num_html += HTML.search(text) is not None
            self.num_email += "@" in text and EMAIL.search(text) is not None

    def lengths(self) -> dict[str, dict[str, int]]:
        """Median, 95 % and longest of characters, words and estimated tokens, of the documents with a text."""
        main = self.scripts.most_common(1)[0][0] if self.scripts else ""
        characters, words = _joined(self._characters, np.uint32), _joined(self._words, np.uint32)
        tokens = characters if main in SPACELESS else np.ceil(words * TOKENS_A_WORD)
        return {"characters": _quantiles(characters), "words": _quantiles(words), "tokens": _quantiles(tokens)}

    def duplicates(self) -> dict[str, int]:
        """Counts of documents that are equal up to case and white space.

        `copies` are all but the first of each set of equal documents; `conflicting` are the sets whose labels differ;
        `across_splits` are the documents of validation and test whose text is in another split too.
        """
        keys = _joined(self._keys, np.uint64)
        labels, splits = _joined(self._label_keys, np.int32), _joined(self._split_keys, np.int8)
        _, first, cluster = np.unique(keys, return_index=True, return_inverse=True)
        differs = np.zeros(len(first), bool)
        differs[cluster[labels != labels[first][cluster]]] = True
        named = splits != self._split_numbers.get("", -1)
        places = np.unique(np.stack([cluster, splits], axis=1)[named], axis=0)[:, 0]
        straddles = np.bincount(places, minlength=len(first)) > 1
        is_held_out = named & (splits != self._split_numbers.get("train", -1))
        return {
            "copies": int(len(keys) - len(first)),
            "conflicting": int(differs.sum()),
            "across_splits": int((straddles[cluster] & is_held_out).sum()),
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it, for the facts."""
        shares = max(self.num_sampled, 1)
        return {
            "num_documents": self.num_documents,
            "missing_texts": self.num_missing_texts,
            "missing_labels": self.num_missing_labels,
            "labels": dict(self.labels.most_common()),
            "splits": {name: count for name, count in self.splits.items() if name},
            "lengths": self.lengths(),
            "duplicates": self.duplicates(),
            "num_sampled": self.num_sampled,
            "scripts": {name: count / shares for name, count in self.scripts.most_common()},
            "mojibake_share": self.num_mojibake / shares,
            "html_share": self.num_html / shares,
            "email_share": self.num_email / shares,
        }


def _key(text: str) -> int:
    return int.from_bytes(blake2b(normalise(text).encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _number(name: str, numbers: dict[str, int]) -> int:
    return numbers.setdefault(name, len(numbers))


def _joined(parts: list[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.array([], dtype)


def _quantiles(lengths: npt.NDArray[Any]) -> dict[str, int]:
    if not len(lengths):
        return {"median": 0, "p95": 0, "longest": 0}
    median, p95 = np.quantile(lengths, [0.5, 0.95])
    return {"median": round(median), "p95": round(p95), "longest": int(lengths.max())}

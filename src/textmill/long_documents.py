"""What a model reads of a document: windows of token ids, one for most documents, cut or several for long ones.

Stands alone (a served model carries a copy): it imports the standard library only, and is given its tokenizer.

Words: the *content* of a document is its own token ids; special tokens, such as [CLS] ... [SEP], are put around the
content of each window and are not counted in it. The *room* of a window is what they leave of max_length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Where to cut a text before it is tokenized, per token that is needed: words are rarely longer, and where this proves
# too short the text is taken whole.
CHARACTERS_PER_TOKEN = 12
_USUAL_CHARACTERS = 6  # of a token and the space before it: most texts, so that little is tokenized in vain


class Needed(NamedTuple):
    """Content tokens that decide what is read of a document, and whether all of it is."""

    from_beginning: int
    from_end: int


@dataclass(frozen=True)
class WindowPlan:
    """How a long document is read.

    Attributes:
        room: content tokens of a window, at least 1; None reads any document whole.
        strategy: `truncate` reads the first tokens; `head_tail` the first and the last; `windows` windows one after
            the other, each beginning `overlap` tokens before the end of the last.
        head_share: share of the room for the first tokens (head_tail).
        overlap: less than the room (windows).
        max_windows: what comes after so many windows is not read (windows).
    """

    room: int | None
    strategy: str
    head_share: float
    overlap: int
    max_windows: int

    def __post_init__(self) -> None:
        assert self.strategy in ("truncate", "head_tail", "windows"), self.strategy
        assert self.room is None or self.room >= 1
        assert 0 <= self.head_share <= 1 and self.max_windows >= 1
        assert self.room is None or self.strategy != "windows" or 0 <= self.overlap < self.room

    @property
    def head(self) -> int:
        """Content tokens of a long document that come from its beginning (head_tail)."""
        assert self.room is not None
        return round(self.head_share * self.room)

    @property
    def most_tokens(self) -> int | None:
        """Content tokens of the longest document that is read to its end without a gap; None: there is no limit."""
        if self.room is None or self.strategy != "windows":
            return self.room
        return self.room + (self.max_windows - 1) * (self.room - self.overlap)

    @property
    def needed(self) -> Needed | None:
        """How much of a document must be tokenized; None: all of it.

        A document with fewer tokens than both together, or one whose two parts overlap, must be tokenized whole.
        """
        if self.room is None or self.most_tokens is None:
            return None
        if self.strategy == "head_tail":
            return Needed(self.head + 1, self.room - self.head)
        return Needed(self.most_tokens + 1, 0)

    def reads_all(self, num_tokens: int) -> bool:
        """Whether a document of so many content tokens is read whole."""
        return self.most_tokens is None or num_tokens <= self.most_tokens

    def contents(self, content: Sequence[int]) -> list[Sequence[int]]:
        """The content of each window: never an empty list; a document without tokens has one empty window."""
        room = self.room
        if room is None or len(content) <= room:
            return [content]
        if self.strategy == "truncate":
            return [content[:room]]
        if self.strategy == "head_tail":
            return [[*content[: self.head], *content[len(content) - room + self.head :]]]
        step = room - self.overlap
        num_windows = min(self.max_windows, 1 + -(-(len(content) - room) // step))
        return [content[start : start + room] for start in range(0, num_windows * step, step)]


def plan_windows(max_length: int | None, num_special: int, long_documents: Mapping[str, Any]) -> WindowPlan:
    """The plan of a model.

    Args:
        max_length: tokens of a window, special ones included; None reads any document whole.
        num_special: special tokens around each window.
        long_documents: strategy, head_share, overlap and max_windows, as in params.yaml and a bundle's manifest.
    """
    return WindowPlan(None if max_length is None else max_length - num_special, **long_documents)


def windows_of(content: Sequence[int], plan: WindowPlan, leading: Sequence[int], trailing: Sequence[int]) -> list[Any]:
    """The windows of one document, special tokens included, each a list of ids.

    Args:
        content: the ids of the whole document, or as many as `plan.needed` asks for where it is longer than
            `plan.most_tokens`.
        leading, trailing: ids of the special tokens before and after each window.
    """
    return [[*leading, *part, *trailing] for part in plan.contents(content)]


def find_special(tokenizer: "Tokenizer") -> tuple[list[int], list[int]]:
    """Ids of the special tokens that the tokenizer puts before and after a document; it must not truncate or pad."""
    found = _ends(tokenizer, "a")
    if found is None:  # a vocabulary may lack the letter, and a token for the unknown
        found = next(filter(None, (_ends(tokenizer, token) for token in tokenizer.get_vocab())), None)
    return found or ([], [])


def _ends(tokenizer: "Tokenizer", text: str) -> tuple[list[int], list[int]] | None:
    """Ids of the special tokens around a text; None if nothing but special tokens comes out of it."""
    encoding = tokenizer.encode(text)
    own = [position for position, special in enumerate(encoding.special_tokens_mask) if not special]
    return (encoding.ids[: own[0]], encoding.ids[own[-1] + 1 :]) if own else None


class WindowEncoder:
    """Texts to windows of token ids, the same as if each text were tokenized whole.

    A long text is cut at a space before it is tokenized, which is several times faster and changes nothing: tokens do
    not reach across white space, and where the cut has too few of them the whole text is tokenized.

    Attributes:
        plan: how long documents are read.
    """

    def __init__(self, tokenizer: "Tokenizer", max_length: int | None, long_documents: Mapping[str, Any]) -> None:
        """
        Args:
            tokenizer: must neither truncate nor pad, now or later.
            max_length, long_documents: see `plan_windows`.
        """
        assert tokenizer.truncation is None and tokenizer.padding is None
        self._tokenizer = tokenizer
        self._leading, self._trailing = find_special(tokenizer)
        self.plan = plan_windows(max_length, len(self._leading) + len(self._trailing), long_documents)

    def encode(self, texts: Sequence[str]) -> tuple[list[list[list[int]]], list[bool]]:
        """The windows of each text, and of each text whether all of it is read.

        All texts are tokenized at once: some 100 bytes a token are held meanwhile.
        """
        contents = self._contents(texts)
        whole = [self.plan.reads_all(len(content)) for content in contents]
        return [windows_of(content, self.plan, self._leading, self._trailing) for content in contents], whole

    def _contents(self, texts: Sequence[str]) -> list[list[int]]:
        """Content tokens of each text: all, or those that `plan.needed` asks for."""
        needed = self.plan.needed
        if needed is None:
            return self._tokenize(texts)
        if not needed.from_end:
            return self._first_tokens(texts, needed.from_beginning)
        heads = [cut_end(text, CHARACTERS_PER_TOKEN * sum(needed)) for text in texts]
        cut = [index for index, head in enumerate(heads) if len(head) < len(texts[index])]
        for index in cut:
            heads[index] = cut_end(texts[index], CHARACTERS_PER_TOKEN * needed.from_beginning)
        contents = self._tokenize(heads)
        ends = self._last_tokens([texts[index] for index in cut], needed.from_end)
        for index, end in zip(cut, ends, strict=True):
            if end is None or len(contents[index]) < needed.from_beginning:
                (contents[index],) = self._tokenize([texts[index]])
            else:
                contents[index] = contents[index][: needed.from_beginning] + end
        return contents

    def _first_tokens(self, texts: Sequence[str], number: int) -> list[list[int]]:
        """The first tokens of each text, at most `number` where it is cut; what is cut too short is read further."""
        contents: list[list[int]] = [[] for _ in texts]
        missing = list(range(len(texts)))
        for characters in (_USUAL_CHARACTERS * number, CHARACTERS_PER_TOKEN * number, None):
            if not missing:
                break
            heads = [texts[i] if characters is None else cut_end(texts[i], characters) for i in missing]
            short = []
            for i, head, content in zip(missing, heads, self._tokenize(heads), strict=True):
                is_cut = len(head) < len(texts[i])
                contents[i] = content[:number] if is_cut else content
                if is_cut and len(content) < number:
                    short.append(i)
            missing = short
        return contents

    def _last_tokens(self, texts: Sequence[str], number: int) -> list[list[int] | None]:
        """The last tokens of texts of more than CHARACTERS_PER_TOKEN * `number` characters; None: unknown.

        The first word of the end alone may have other tokens than in the text, such as one for the space before it.
        """
        ends = [cut_beginning(text, CHARACTERS_PER_TOKEN * number) for text in texts]
        first_words = self._tokenize([end.partition(" ")[0] for end in ends])
        margins = [number + len(word) + 2 for word in first_words]
        contents = self._tokenize(ends)
        pairs = zip(contents, margins, strict=True)
        return [content[-number:] if len(content) >= margin else None for content, margin in pairs]

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        # An Encoding makes a list anew each time that it is asked, and is large: ids only, and at once.
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def cut_end(text: str, most_characters: int) -> str:
    """The text's beginning, up to a space, so that no word is cut; the whole text where there is none."""
    if len(text) <= most_characters:
        return text
    end = text.rfind(" ", 1, most_characters)
    # Without the white space before it: three spaces may be another token than the first of them.
    return text[:end].rstrip() if end > 0 else text


def cut_beginning(text: str, most_characters: int) -> str:
    """The text's end, from behind a space, so that no word is cut; the whole text where there is none."""
    if len(text) <= most_characters:
        return text
    start = text.find(" ", len(text) - most_characters)
    return text[start:].lstrip() if start >= 0 else text

"""Ids of documents: the same at each reading, and never the same for two documents of one source."""

from hashlib import blake2b

DIGEST_BYTES = 8


class Ids:
    """Gives ids and remembers them, in about 85 bytes each.

    An id is the BLAKE2b hash of the text and of how often the text came before. Where two hashes fall together (among a
    million documents the chance is 3 in 100 million), the later document gets the hash for the next count.

    Args:
        digest_bytes: length of an id; a test makes it short, so that hashes do fall together.
    """

    def __init__(self, digest_bytes: int = DIGEST_BYTES) -> None:
        self.digest_bytes = digest_bytes
        self._given: set[int] = set()
        self._last_count: dict[int, int] = {}  # by a text's first hash, of texts that needed more than one

    def __contains__(self, identifier: str) -> bool:
        try:
            return int(identifier, 16) in self._given and len(identifier) == 2 * self.digest_bytes
        except ValueError:
            return False

    def identify(self, text: str | None) -> str:
        """The id of the next document, whose text is `text`."""
        content = b"\xff" if text is None else text.encode()  # no UTF-8 text is that byte
        state = blake2b(content, digest_size=self.digest_bytes)
        first = number = self._hash(state, 1)
        if number in self._given:
            count = self._last_count.get(first, 1)
            while number in self._given:
                count += 1
                number = self._hash(state, count)
            self._last_count[first] = count
        self._given.add(number)
        return f"{number:0{2 * self.digest_bytes}x}"

    @staticmethod
    def _hash(state: blake2b, count: int) -> int:
        counted = state.copy()
        counted.update(b"\0%d" % count)
        return int.from_bytes(counted.digest(), "big")

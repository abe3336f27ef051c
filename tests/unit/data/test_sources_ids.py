"""Ids are the same at each reading, differ for each document, and stay so when hashes collide."""

import subprocess
import sys

from textmill.data.sources.ids import Ids


def test_the_same_documents_have_the_same_ids():
    texts = ["a", "b", "a", None, "a", "", None]
    given = [ids.identify(text) for ids in (Ids(), Ids()) for text in texts]
    assert given[:7] == given[7:]
    assert len(set(given)) == 7
    assert all(len(identifier) == 16 for identifier in given)
    # Pinned: corrections, quarantine and MLflow name documents by id, so that a change of the hash loses them.
    assert Ids().identify("Smart, funny") == "623e53568acd734a"


def test_colliding_hashes_get_ids_of_their_own():
    """With one byte, most of 250 texts collide; with two, some do. The ids are distinct, and the same again."""
    for digest_bytes, num in ((1, 250), (2, 20_000)):
        texts = [f"text {number % (num // 2)}" for number in range(num)]  # each twice
        ids = Ids(digest_bytes)
        given = [ids.identify(text) for text in texts]
        assert len(set(given)) == num
        again = Ids(digest_bytes)
        assert [again.identify(text) for text in texts] == given
        assert all(identifier in ids and len(identifier) == 2 * digest_bytes for identifier in given)
    alone = [Ids(1).identify(f"text {number}") for number in range(125)]
    assert len(set(alone)) < 125  # they did collide


def test_membership_is_of_given_ids_only():
    ids = Ids()
    given = ids.identify("a")
    assert given in ids
    for other in ("b" * 16, given[:-1], given + "0", "0" + given, "", "no number", given.upper() + "x", f" {given}"):
        assert other not in ids


def test_an_id_holds_less_than_250_bytes():
    code = """
import resource
from textmill.data.sources.ids import Ids
ids = Ids()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(400_000):
    ids.identify(f"text {number // 2}")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 400_000)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 250

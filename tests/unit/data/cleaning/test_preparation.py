"""What a worker does to a batch: texts, keys and sketches belong together."""

import subprocess
import sys

import numpy as np

from tests.corpora import cluster_of
from tests.stage.stages import REPOSITORY
from textmill.data.cleaning.preparation import prepare
from textmill.data.cleaning.texts import TextRules
from textmill.data.duplicates.exact import normalise
from textmill.data.duplicates.shingles import Banding, sketch

RULES = TextRules(frozenset({"html_to_text", "collapse_whitespace"}), 2, 40)
BANDING = Banding(3, 18, 6)


def test_a_batch():
    prepared = prepare(["One <b>two</b>  three four", None, "x", "ONE two three FOUR", "y" * 50], RULES, BANDING)
    assert prepared.texts == ["One two three four", "", "", "ONE two three FOUR", ""]
    assert prepared.reasons == [None, "empty_text", "too_short", None, "too_long"]
    assert prepared.clusters == [int(cluster_of("one two three four"), 16), 0, 0, prepared.clusters[0], 0]
    assert prepared.changed["html_to_text"] == 1
    np.testing.assert_array_equal(prepared.sketches.sizes, [2, 0, 0, 2, 0])
    expected = sketch([normalise(text) for text in prepared.texts], BANDING)
    np.testing.assert_array_equal(prepared.sketches.bands, expected.bands)


def test_without_near_duplicates_there_is_no_sketch():
    assert prepare(["one"], RULES, None).sketches is None


def test_workers_load_no_pandas():
    """It would cost each process half a second and 80 MB."""
    code = "import sys, textmill.data.cleaning.preparation; print(*{'pandas', 'pyarrow', 'scipy'} & set(sys.modules))"
    environment = {"PYTHONPATH": str(REPOSITORY / "src")}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == ""

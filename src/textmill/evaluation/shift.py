"""Can the model's own scores tell texts of another domain from documents like those it knows?

Two scores, higher for what is known: the largest probability (Hendrycks and Gimpel, A Baseline for Detecting
Misclassified and Out-of-Distribution Examples in Neural Networks, 2017), and the negative free energy, the logarithm of
the sum of exponentials of the logits (Liu et al., Energy-based Out-of-distribution Detection, 2020). Where labels do
not exclude each other: the largest sigmoid, and the energies of all labels together (Wang et al., Can Multi-label
Classification Networks Know What They Don't Know?, 2021). Logits are taken as they are, not divided by a temperature.

Shapes: n documents, m texts of the other domain, C labels.
"""

import ast
import sysconfig
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from textmill import assets
from textmill.errors import UserError
from textmill.evaluation.case import Case, Findings
from textmill.evaluation.sampling import generator_of, sample_documents
from textmill.runtime import Classifier
from textmill.tasks import Task

_FEWEST_TEXTS = 10
_SHORTEST, _LONGEST = 150, 4000  # characters of a docstring that says something
# Of the standard library, with the most documentation for their size, and of Python itself since long.
_MODULES = (
    "bdb codecs collections configparser contextlib difflib doctest enum fractions functools heapq imaplib ipaddress "
    "logging optparse os pdb pickletools random shutil smtplib socket socketserver statistics tempfile textwrap "
    "threading traceback typing uuid warnings"
)


class NoShiftTexts(UserError):
    """The texts of another domain cannot be read, or are too few."""


def examine(case: Case) -> Findings | None:
    """How well each score tells the two sides apart: AUROC, with its interval. None for regression."""
    settings, classifier = case.settings, case.classifier
    wanted = settings.shift["documents"]
    if not wanted or classifier.task == "regression":
        return None
    foreign = other_texts(settings.shift["source"])
    generator = generator_of(settings.seed, "shift", "")
    foreign = [foreign[i] for i in np.sort(generator.permutation(len(foreign))[:wanted])]
    known = case.documents["text"].iloc[sample_documents(case, wanted)].tolist()
    scores = zip(
        score_texts(classifier.task, _logits_of_each(classifier, known)).items(),
        score_texts(classifier.task, _logits_of_each(classifier, foreign)).values(),
        strict=True,
    )
    metrics, details = {}, {}
    for (name, known_n), foreign_m in scores:
        area = auroc(known_n, foreign_m)
        low, high = auroc_interval(area, len(known_n), len(foreign_m), settings.confidence)
        metrics[f"shift_auroc_{name}"] = area
        details[name] = {"auroc": area, "low": low, "high": high}
    source = settings.shift["source"] or "documentation of Python's standard library"
    return Findings(metrics, {"source": source, "num_documents": len(known), "num_texts": len(foreign), **details})


def score_texts(task: Task, logits_nC: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Both scores [n] of texts, by name; a single label's softmax is computed as the logarithm of its odds.

    The largest probability of a sure model rounds to 1, and equal scores cannot be ranked; log p - log (1 - p) ranks
    alike, and does not round.
    """
    logits_nC = logits_nC.astype(np.float64)
    if task == "multi_label":  # the logit of a sigmoid is the logarithm of its odds
        return {"max_softmax": logits_nC.max(axis=1), "energy": np.logaddexp(0, logits_nC).sum(axis=1)}
    descending_nC = -np.sort(-logits_nC, axis=1)
    odds_n = descending_nC[:, 0] - special.logsumexp(descending_nC[:, 1:], axis=1)
    return {"max_softmax": odds_n, "energy": special.logsumexp(logits_nC, axis=1)}


def auroc(known_n: NDArray[Any], foreign_m: NDArray[Any]) -> float:
    """How often a known text scores higher than a foreign one, ties by half: the area under the ROC curve."""
    ranks = stats.rankdata(np.concatenate([known_n, foreign_m]))[: len(known_n)]
    return float((ranks.sum() - len(known_n) * (len(known_n) + 1) / 2) / (len(known_n) * len(foreign_m)))


def auroc_interval(area: float, n: int, m: int, confidence: float) -> tuple[float, float]:
    """Interval of an AUROC of n against m texts, which stays in [0, 1] and has a width at 0 and 1 too.

    The values whose own standard error does not tell them from what was found.

    Source: Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2
    (2006), method 5; its variance is that of Hanley and McNeil (1982) with the mean of n and m in place of each.
    """
    z, mean = stats.norm.ppf((1 + confidence) / 2), (n + m) / 2

    def excess(value: float, side: float) -> float:
        """Above 0 where the value lies too far on this side of the area."""
        spread = 1 + (mean - 1) * ((1 - value) / (2 - value) + value / (1 + value))
        return side * (value - area) - float(z) * sqrt(value * (1 - value) * spread / (n * m))

    # At 0 and 1 there is no error, and an area of 0 or 1 would find itself.
    low = 0.0 if area == 0 else float(optimize.brentq(excess, 0.0, min(area, 1 - 1e-12), args=(-1.0,)))
    high = 1.0 if area == 1 else float(optimize.brentq(excess, max(area, 1e-12), 1.0, args=(1.0,)))
    return low, high


def other_texts(source: str | None) -> list[str]:
    """Texts of another domain: the lines of a file that are not empty, or documentation of Python.

    Raises: AssetNotFound; NoShiftTexts.
    """
    texts = list(_docstrings()) if source is None else _read_lines(source)
    if len(texts) < _FEWEST_TEXTS:
        raise NoShiftTexts(
            f"evaluate.shift.source ({source or 'null: documentation of Python'}) has {len(texts)} texts; "
            f"{_FEWEST_TEXTS} are needed. Name a file with a text a line, or set evaluate.shift.documents to 0."
        )
    return texts


def _read_lines(source: str) -> list[str]:
    path = assets.resolve(source)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NoShiftTexts(
            f"evaluate.shift.source: {source} cannot be read as a file of UTF-8 with a text a line: {error}."
        ) from None
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


@cache
def _docstrings() -> tuple[str, ...]:
    """What modules, classes and functions of the standard library say of themselves, each on one line."""
    root = Path(sysconfig.get_path("stdlib"))
    found: dict[str, None] = {}
    for module in _MODULES.split():
        path = root / module / "__init__.py" if (root / module).is_dir() else root / f"{module}.py"
        if not path.exists():
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = " ".join((ast.get_docstring(node) or "").split())
                if _SHORTEST <= len(text) <= _LONGEST:
                    found[text] = None
    return tuple(found)


def _logits_of_each(classifier: Classifier, texts: list[str]) -> NDArray[np.float32]:
    """Logits [n, C] of texts sent alone, as all others are."""
    return np.concatenate([classifier.predict_logits([text]) for text in texts])

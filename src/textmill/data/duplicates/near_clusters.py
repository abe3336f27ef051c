"""What becomes of documents that are near duplicates, once the pairs of them are known.

Shapes: N rows, T distinct texts, P pairs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textmill.data.duplicates.exact import TEST, VALIDATION, Fates, Rows
from textmill.data.quarantine.reasons import CODES, KEPT

_NOBODY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Texts:
    """The texts that exact duplicates left, in order of precedence: the highest tier first, then as they came.

    Attributes:
        order: int64 [K], which of the T texts they are.
        rank: int64 [T], place in `order`; K for the others.
        first: int64 [T], the first row that stays with the text.
        tier: int8 [T], of its rows.
        count: int64 [T], its rows that stay.
        lowest, highest: int64 [T], of the labels of its rows.
    """

    order: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    tier: npt.NDArray[np.int8]
    count: npt.NDArray[np.int64]
    lowest: npt.NDArray[np.int64]
    highest: npt.NDArray[np.int64]


def _collect_texts(rows: Rows, fates: Fates, num_texts: int) -> Texts:
    """The texts of the rows that are eligible and stay."""
    stays = np.flatnonzero(rows.is_eligible & (fates.reason == KEPT))
    text, label = rows.text[stays], rows.label[stays].astype(np.int64)
    first, lowest = np.full(num_texts, _NOBODY), np.full(num_texts, _NOBODY)
    highest = np.full(num_texts, -1)
    np.minimum.at(first, text, stays)
    np.minimum.at(lowest, text, label)
    np.maximum.at(highest, text, label)
    tier = np.zeros(num_texts, np.int8)
    np.maximum.at(tier, text, rows.tier[stays])
    order = np.flatnonzero(first != _NOBODY)
    order = order[np.lexsort((first[order], -tier[order]))]
    rank = np.full(num_texts, len(order))
    rank[order] = np.arange(len(order))
    return Texts(order, rank, first, tier, np.bincount(text, minlength=num_texts), lowest, highest)


@dataclass(frozen=True)
class NearFates:
    """What near duplicates add to the fates.

    Attributes:
        fates: of the N rows.
        cluster: int64 [T], the text whose cluster each text belongs to: its own, unless near duplicates are grouped.
        sizes: int64, rows of each cluster of near duplicates.
        has_chains: a text went that others, which stay, are near duplicates of; pairs of those may not be known yet.
        staying: int64 [K], first rows of the texts that stay, in order of precedence, and `texts`, which they are.
    """

    fates: Fates
    cluster: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    has_chains: bool
    staying: npt.NDArray[np.int64]
    texts: npt.NDArray[np.int64]


def judge_near_texts(rows: Rows, fates: Fates, pairs: npt.NDArray[np.int64], num_texts: int, action: str) -> NearFates:
    """Tell near duplicates, conflicts and leaks apart.

    A text that is nearly one of a higher tier leaks. Among texts of one tier, `quarantine` keeps one of each cluster,
    or none if the labels of its rows differ; `group` keeps all and joins what is connected by near duplicates.

    Args:
        fates: of exact duplicates.
        pairs: int64 [P, 2] of texts that are near duplicates.
        action: `quarantine` or `group`.
    """
    texts = _collect_texts(rows, fates, num_texts)
    pairs = pairs[(texts.rank[pairs] < len(texts.order)).all(axis=1)]
    pairs = texts.order[np.sort(texts.rank[pairs], axis=1)]  # the one that takes precedence first
    is_peer = texts.tier[pairs[:, 0]] == texts.tier[pairs[:, 1]]
    leader = _follow_leaders(texts, pairs if action == "quarantine" else pairs[~is_peer])
    reason = np.full(num_texts, KEPT, np.int8)
    goes = leader != np.arange(num_texts)
    follows_peer = goes & (texts.tier[leader] == texts.tier)
    reason[goes & ~follows_peer & (texts.tier[leader] == TEST)] = CODES["leaks_into_test"]
    reason[goes & ~follows_peer & (texts.tier[leader] == VALIDATION)] = CODES["leaks_into_validation"]
    reason[follows_peer] = CODES["near_duplicate"]
    reason[_conflicting(texts, leader, follows_peer)[leader]] = CODES["near_conflicting_labels"]
    stays = (reason == KEPT) & (texts.first != _NOBODY)
    cluster = np.arange(num_texts)
    if action == "group":
        cluster = _connect(texts, pairs[is_peer & stays[pairs].all(axis=1)])
        sizes = np.bincount(cluster[stays], texts.count[stays], num_texts)[_repeated(cluster[stays], num_texts)]
    else:
        members = follows_peer | np.isin(np.arange(num_texts), leader[follows_peer])
        sizes = np.bincount(leader[members], texts.count[members], num_texts)
        sizes = sizes[sizes > 0]
    order = texts.order[stays[texts.order]]
    return NearFates(
        fates=_tell_rows(rows, fates, texts, reason, leader),
        cluster=cluster,
        sizes=sizes.astype(np.int64),
        has_chains=bool((~stays[pairs[:, 0]] & stays[pairs[:, 1]]).any()),
        staying=texts.first[order],
        texts=order,
    )


def _repeated(cluster: npt.NDArray[np.int64], num_texts: int) -> npt.NDArray[np.bool_]:
    return np.bincount(cluster, minlength=num_texts) > 1


def _follow_leaders(texts: Texts, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each text the one that stays in its place, int64 [T]: its own if it stays.

    In order of precedence, a text goes if it is a near duplicate of one that stays, the first of these; so what goes
    is nearly the same as what is kept for it, and a chain of small changes is not taken for one text. A text of a
    test set always stays.

    Args:
        pairs: int64 [P, 2] of texts, the one that takes precedence first.
    """
    leader = np.arange(len(texts.rank))
    pairs = pairs[texts.tier[pairs[:, 1]] < TEST]
    pairs = pairs[np.lexsort((texts.rank[pairs[:, 0]], texts.rank[pairs[:, 1]]))]
    for one, other in zip(pairs[:, 0], pairs[:, 1], strict=True):
        if leader[other] == other and leader[one] == one:
            leader[other] = one
    return leader


def _conflicting(
    texts: Texts, leader: npt.NDArray[np.int64], follows_peer: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Leaders [T] of clusters whose labels differ, outside of test sets."""
    lowest, highest = texts.lowest.copy(), texts.highest.copy()
    np.minimum.at(lowest, leader[follows_peer], texts.lowest[follows_peer])
    np.maximum.at(highest, leader[follows_peer], texts.highest[follows_peer])
    has_followers = np.zeros(len(leader), bool)
    has_followers[leader[follows_peer]] = True
    return has_followers & (lowest != highest)


def _connect(texts: Texts, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Connected components: for each text the first of its component, int64 [T]. Those of a test set stay apart."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = pairs[texts.tier[pairs[:, 0]] < TEST]
    num_texts = len(texts.rank)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(num_texts, num_texts))
    num_components, component = connected_components(graph, directed=False)
    best = np.full(num_components, _NOBODY)
    np.minimum.at(best, component, texts.rank)
    has_order = texts.rank < len(texts.order)
    firsts = np.append(texts.order, 0)[np.minimum(best, len(texts.order))]
    return np.where(has_order, firsts[component], np.arange(num_texts))


def _tell_rows(
    rows: Rows, fates: Fates, texts: Texts, reason: npt.NDArray[np.int8], leader: npt.NDArray[np.int64]
) -> Fates:
    told = Fates(fates.reason.copy(), fates.kept.copy())
    stayed = np.flatnonzero(rows.is_eligible & (fates.reason == KEPT))
    text = rows.text[stayed]
    told.reason[stayed] = reason[text]
    replaced = (reason[text] != KEPT) & (reason[text] != CODES["near_conflicting_labels"])
    told.kept[stayed[replaced]] = texts.first[leader[text[replaced]]]
    # What had gone for a row that goes now shares its fate, so that whatever is told to be kept is.
    goes = np.flatnonzero(fates.kept != np.arange(len(fates.kept)))
    goes = goes[told.reason[fates.kept[goes]] != KEPT]
    why = told.reason[fates.kept[goes]]
    leaks_on = (fates.reason[goes] == CODES["leaks_into_validation"]) & (why == CODES["near_duplicate"])
    told.reason[goes] = np.where(leaks_on, fates.reason[goes], why)
    kept = told.kept[fates.kept[goes]]
    told.kept[goes] = np.where(why == CODES["near_conflicting_labels"], goes, kept)
    return told

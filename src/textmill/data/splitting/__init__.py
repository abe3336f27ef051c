"""Splits and folds: which document is learned from, which decides, which judges.

`assign_splits` and `assign_folds` decide on keys alone (id, label, split, group, time, cluster); `write_splits` parts
the texts.
"""

from textmill.data.splitting.assignment import assign_splits
from textmill.data.splitting.coverage import ClassTooSmall
from textmill.data.splitting.files import write_splits
from textmill.data.splitting.folds import ClassTooSmallForFolds, assign_folds
from textmill.data.splitting.given import UnusableGivenSplits
from textmill.data.splitting.times import UnusableTimes

__all__ = [
    "ClassTooSmall",
    "ClassTooSmallForFolds",
    "UnusableGivenSplits",
    "UnusableTimes",
    "assign_folds",
    "assign_splits",
    "write_splits",
]

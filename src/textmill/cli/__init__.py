"""The `textmill` command: thin, and quick to start, because what is heavy is imported where it is used."""

from textmill.cli import (
    compressing,
    contract,
    inspecting,
    labels,
    predicting,
    production,
    quarantine,
    reporting,
    setup,
    study,
    tuning,
)
from textmill.cli.app import app

__all__ = [
    "app",
    "compressing",
    "contract",
    "inspecting",
    "labels",
    "predicting",
    "production",
    "quarantine",
    "reporting",
    "setup",
    "study",
    "tuning",
]

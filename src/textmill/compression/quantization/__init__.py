"""Kinds of numbers that a graph's weights and activations can be rounded to, and which of its parts stay in float."""

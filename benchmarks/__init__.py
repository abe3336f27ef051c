"""Measurements, one file per comparison."""

"""Texts and labels of rows, made clean: each step a pure function of batches."""

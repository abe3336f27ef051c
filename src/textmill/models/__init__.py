"""The families of models, one file each, and how they are written to disk."""

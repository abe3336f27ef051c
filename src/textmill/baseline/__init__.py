"""A TF-IDF baseline that competes in every table, and the label audit that it pays for."""

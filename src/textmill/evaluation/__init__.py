"""How good, how sure, how fast: figures that can be trusted, and the choice among variants."""

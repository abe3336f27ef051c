"""Which rows go, why, and what is kept of them."""

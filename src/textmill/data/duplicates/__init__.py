"""Equal and nearly equal texts: how they are found, and what becomes of them."""

"""What the chosen model gets wrong, and why: its mistakes, words that decided, and documents that are like them."""

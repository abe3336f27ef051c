"""Texts to token ids: the tokenizer, its training, and what other lengths would cost."""

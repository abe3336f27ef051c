"""Vocabularies that lose tokens: which stay, their tokenizer, and the token arrays that it makes."""

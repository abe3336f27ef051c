import pytest

from tests.tiny_language import train_tiny_tokenizer, write_language


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    """data/tokens of 300 and 60 reviews with a WordPiece tokenizer."""
    return write_language(tmp_path_factory.mktemp("language") / "tokens", train_tiny_tokenizer())

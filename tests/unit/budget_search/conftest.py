import pytest

from tests.tiny_budget import write_full


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A working directory with a full model, which tests copy."""
    return write_full(tmp_path_factory.mktemp("made")).root

"""Settings of the property tests."""

from hypothesis import settings

# A busy machine is slow, and that is no fault of the code: no time limit for one example.
settings.register_profile("textmill", deadline=None)
settings.load_profile("textmill")

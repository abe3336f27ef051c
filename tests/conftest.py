"""Settings of the property tests, of signals, and of torch where several processes test."""

import os
import signal

from hypothesis import settings

# A busy machine is slow, and that is no fault of the code: no time limit for one example.
settings.register_profile("textmill", deadline=None)
settings.load_profile("textmill")

# Processes that test side by side (pytest -n) would fight over the cores; what they start inherits it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job is born deaf to Ctrl-C, and so is what it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

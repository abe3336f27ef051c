"""textmill: a labelled text dataset in, a small, fast, trusted model in production out."""

import os

# Set before any library reads them: nothing leaves the machine unless the user asks (hf:// in
# params.yaml is such an ask, see assets.py), and no tool phones home.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # a served model sets it too: packaging._ship_runtime
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

# torch's OpenMP threads spin while they wait for each other. On a machine that does anything else that starves
# the thread they wait for: training took 2 to 4 times as long beside one busy process, and no longer than
# before on an idle machine with this limit.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"

"""docs/test-summary.md, from what pytest printed in `make test-all`, and the hardware it ran on."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from textmill.evaluation.latency import hardware

NUM_LINES = 40


def page(output: str) -> str:
    machine = hardware()
    lines = output.rstrip().splitlines()[-NUM_LINES:]
    return "\n".join(
        [
            "# The last full test run",
            "",
            "Written by `make test-all`, which runs every test, the slow ones too.",
            "",
            f"- date: {datetime.now(UTC):%Y-%m-%d}",
            f"- processor: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB of memory",
            f"- system: {machine['os']}, Python {machine['python']}, onnxruntime {machine['onnxruntime']}",
            "",
            "```",
            *lines,
            "```",
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1]).read_text(encoding="utf-8")))

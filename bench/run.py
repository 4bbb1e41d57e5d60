"""Runs every measurement of this folder, one after the other; the figures go to ``bench/results/``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: No measurement, one that has a target of its own, and one that needs a GPU.
ELSEWHERE = ("run.py", "borders.py", "peers.py", "gpu.py")


def main() -> int:
    failed = 0
    for script in sorted(HERE.glob("*.py")):
        if script.name in ELSEWHERE:
            continue
        print(f"== {script.stem}", flush=True)
        failed |= subprocess.run([sys.executable, str(script)], cwd=HERE.parent).returncode
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

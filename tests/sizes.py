"""Holds what `make lint` promises of sizes: no module over 400 lines, at least as many lines of tests as of code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 400
LARGEST_TREE = 64 << 20


def lines(*folders: str) -> dict[Path, int]:
    return {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def tracked_bytes() -> int:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return sum((ROOT / name.decode()).stat().st_size for name in listing.split(b"\0") if name)


def main() -> int:
    code, tests = lines("speechpipe", "flows"), lines("tests")
    faults = [f"{path}: {n} lines, {LONGEST_MODULE} are allowed" for path, n in code.items() if n > LONGEST_MODULE]
    if sum(tests.values()) < sum(code.values()):
        faults.append(f"{sum(tests.values())} lines of tests for {sum(code.values())} lines of code")
    if (size := tracked_bytes()) > LARGEST_TREE:
        faults.append(f"the tree holds {size >> 20} MB, {LARGEST_TREE >> 20} are allowed")
    print("\n".join(faults) or f"sizes: {sum(code.values())} lines of code, {sum(tests.values())} of tests")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

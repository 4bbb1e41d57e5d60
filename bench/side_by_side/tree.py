"""What a program takes with all the processes that it starts: time by the clock, time of the processor, memory."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_STEP_S = 0.05
#: Looked at exactly (shared pages once) where memory stands this much above all seen before.
_RISE = 1.01
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Use:
    """``code`` is the exit code, None where it was stopped because its time was up."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    code: int | None


def used(command: Sequence[str], environment: Mapping[str, str], log: Path, timeout_s: float) -> Use:
    """Run ``command``; its output goes to ``log``. Linux only; this process must have no other children.

    Processes that outlive the command, or whose parent dies, come to us and are counted, too. The processor's seconds
    are those of the kernel's account of ended processes, the memory is looked at twenty times a second.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, began = _spent(), time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    ended, peak, ready = os.pidfd_open(process.pid), _Peak(), select.poll()
    ready.register(ended, select.POLLIN)
    try:
        while not ready.poll(_STEP_S * 1000) and time.perf_counter() - began < timeout_s:
            peak.look()
        wall = time.perf_counter() - began
        code = process.wait() if ready.poll(0) else None
    finally:
        os.close(ended)
        _end(descendants(os.getpid()), patience_s=0 if process.returncode is None else 5)
        process.poll()
    return Use(round(wall, 2), round(_spent() - before, 2), round(peak.bytes / 2**20, 1), code)


def descendants(pid: int) -> list[int]:
    """All processes below that one."""
    children = dict[int, list[int]]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found, new = list[int](), [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        found += new
    return found


class _Peak:
    def __init__(self) -> None:
        self.bytes, self._highest = 0, 0

    def look(self) -> None:
        pids = descendants(os.getpid())
        resident = sum(map(_resident, pids))
        if resident > self._highest * _RISE:
            self._highest = resident
            self.bytes = max(self.bytes, sum(map(_own_share, pids)))


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def _own_share(pid: int) -> int:
    """Bytes in memory, a page that several share divided among them."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _spent() -> float:
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def _end(pids: Sequence[int], patience_s: float) -> None:
    """Wait for what was left behind, then end it; either way it is reaped, and so counted."""
    until = time.perf_counter() + patience_s
    while pids and time.perf_counter() < until:
        _reap()
        pids = descendants(os.getpid())
        time.sleep(_STEP_S if pids else 0)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while descendants(os.getpid()):
        _reap()
        time.sleep(0.01)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass

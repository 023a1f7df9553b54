"""What a process has used so far, from Linux's /proc: its own, and not the largest that any child ever had."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds, user and system, and the most memory that was resident."""

    cpu_s: float
    peak_bytes: int


def usage(pid: int) -> Usage | None:
    """Return it, or None when the process has ended or there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return parsed(stat, status)


def parsed(stat: str, status: str) -> Usage | None:
    """Return the figures of the two files; a process that has just ended has no memory any more."""
    fields = stat.rpartition(")")[2].split()  # the name before may have spaces
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), None)
    if peak is None:
        return None
    return Usage((int(fields[11]) + int(fields[12])) / TICKS_S, int(peak) * 1024)

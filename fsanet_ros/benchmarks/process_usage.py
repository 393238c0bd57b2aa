"""CPU time and memory of another process, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """``cpu_s``: of all threads, in user and system mode, since it started."""

    cpu_s: float
    rss_mb: float


def usage_of(pid: int) -> Usage:
    """
    Return what a process has used.

    :raises FileNotFoundError: if it has ended, or this is no Linux
    """
    # After the name, which may have anything in it, in parentheses (proc(5)).
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    user, system, pages = int(fields[11]), int(fields[12]), int(fields[21])
    ticks, page = os.sysconf('SC_CLK_TCK'), os.sysconf('SC_PAGE_SIZE')
    return Usage((user + system) / ticks, pages * page / 1e6)

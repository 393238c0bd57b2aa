"""
What pieces of work cost in processor time, for tests that compare them.

Elapsed time is also the time of whatever else the machine does; the least processor time of a
thread is hardly changed by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def least_processor_s(works: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Return the least seconds that this thread needs for each piece; they are done in turns."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            begin = time.thread_time()
            work()
            spent[name].append(time.thread_time() - begin)
    return {name: min(values) for name, values in spent.items()}

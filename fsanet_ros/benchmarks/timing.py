"""Times and their spread; what is compared is timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

WARM_UP = 3
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Spread:
    """A median with the first and third quartile, and of how many values."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        """Return it for people, as in ``1.23 (1.20 to 1.31)``."""
        return f'{self.median:.2f} ({self.low:.2f} to {self.high:.2f})'


def spread(values: Iterable[float]) -> Spread:
    """
    Return the median and the quartiles of some values.

    :raises ValueError: if there are none
    """
    array = np.fromiter(values, np.float64)
    if not len(array):
        raise ValueError('nothing was measured: expected at least one value')
    low, median, high = np.percentile(array, (25, 50, 75)).tolist()
    return Spread(median, low, high, len(array))


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """
    Return p50, p95 and p99 of some values.

    :raises ValueError: if there are none
    """
    array = np.fromiter(values, np.float64)
    if not len(array):
        raise ValueError('nothing was measured: expected at least one value')
    return dict(
        zip(('p50', 'p95', 'p99'), np.percentile(array, (50, 95, 99)).tolist(), strict=True)
    )


def timed_ms(work: Callable[[], object]) -> float:
    """Return how long a call takes, in milliseconds."""
    start = time.perf_counter()
    work()
    return 1000.0 * (time.perf_counter() - start)


def interleaved_ms(
    works: Mapping[str, Callable[[], object]], repeat: int, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """
    Return milliseconds of each piece of work, ``repeat`` values each, in the order of time.

    Each round does every piece once, in turns forwards and backwards: what else the machine does
    falls on all of them alike, and the n-th values of two belong together.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for number in range(warm_up + repeat):
        for name in names if number % 2 else reversed(names):
            elapsed_ms = timed_ms(works[name])
            if number >= warm_up:
                times[name].append(elapsed_ms)
    return times


def paired_ratio(above: Iterable[float], below: Iterable[float]) -> Spread:
    """
    Return the spread of the quotients of values that belong together.

    :raises ValueError: if their numbers differ or there are none
    """
    return spread(a / b for a, b in zip(above, below, strict=True))

"""What a node did lately: counts and latencies, as a diagnostics message."""

from __future__ import annotations

from collections import Counter

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from fsanet_ros.files.texts import shortened

# Reasons for dropping an image that need attention.
UNREADABLE = 'unreadable image'
FAILED = 'estimation failed'

_MOST_CHARACTERS = 1000  # of a message or value


class Statistics:
    """Counts of the current period; ``take`` ends it."""

    def __init__(self) -> None:
        """Start at zero."""
        self.ever_received = False
        self.received = 0
        self.processed = 0
        self.heads = 0
        self.dropped: Counter[str] = Counter()  # by reason, since the start
        self._latencies_s: list[float] = []
        self._failed_before = 0

    def count_received(self) -> None:
        """Count an image that has come."""
        self.received += 1
        self.ever_received = True

    def count_processed(self, heads: int, latency_s: float) -> None:
        """Count an image whose heads are published, and the time from its stamp, NaN: unknown."""
        self.processed += 1
        self.heads = heads
        if latency_s == latency_s:
            self._latencies_s.append(latency_s)

    @property
    def failed_lately(self) -> int:
        """How many images could not be read or estimated in this period."""
        return self.dropped[UNREADABLE] + self.dropped[FAILED] - self._failed_before

    def take(self, period_s: float) -> dict[str, str]:
        """Return the figures of the period that ends now, and begin the next."""
        latencies_ms = 1000.0 * np.array(self._latencies_s or [np.nan])
        values = {
            'input rate (Hz)': f'{self.received / period_s:.1f}',
            'processing rate (Hz)': f'{self.processed / period_s:.1f}',
            'latency median (ms)': f'{np.median(latencies_ms):.1f}',
            'latency worst (ms)': f'{latencies_ms.max():.1f}',
            'faces': str(self.heads),
            'dropped': str(sum(self.dropped.values())),
        }
        values |= {f'dropped: {reason}': str(n) for reason, n in sorted(self.dropped.items())}
        self.received = self.processed = self.heads = 0
        self._latencies_s = []
        self._failed_before += self.failed_lately
        return values


def diagnostic_status(
    name: str, hardware_id: str, problem: str, values: dict[str, str]
) -> DiagnosticStatus:
    """Return a diagnostics status: WARN with the problem, OK without one."""
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if problem else DiagnosticStatus.OK,
        name=name,
        message=shortened(problem or 'running', _MOST_CHARACTERS),
        hardware_id=hardware_id,
        values=[
            KeyValue(key=key, value=shortened(value, _MOST_CHARACTERS))
            for key, value in values.items()
        ],
    )

"""What a node did lately: counts and latencies, as a diagnostics message."""

from __future__ import annotations

from collections import Counter

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header


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
        self._dropped_before = 0

    def count_received(self) -> None:
        """Count an image that has come."""
        self.received += 1
        self.ever_received = True

    def count_processed(self, heads: int, latency_s: float) -> None:
        """Count an image whose heads are published, and the time from its stamp till then."""
        self.processed += 1
        self.heads = heads
        self._latencies_s.append(latency_s)

    @property
    def dropped_lately(self) -> int:
        """How many images were dropped in this period."""
        return sum(self.dropped.values()) - self._dropped_before

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
        self._dropped_before = sum(self.dropped.values())
        return values


def diagnostic_array(
    node: Node, name: str, hardware_id: str, problem: str, values: dict[str, str]
) -> DiagnosticArray:
    """Return a diagnostics message of a node: WARN with the problem, OK without one."""
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN if problem else DiagnosticStatus.OK,
        name=f'{node.get_fully_qualified_name().lstrip("/")}: {name}',
        message=problem or 'running',
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    stamp = node.get_clock().now().to_msg()
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])

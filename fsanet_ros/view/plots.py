"""The last seconds of where the noses pointed."""

from __future__ import annotations

from collections import deque

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry.rotations import pan_tilt_deg
from fsanet_ros.types import Head

SECONDS = 10.0
_STEP_S = 0.1  # of the plots: more points cannot be seen
MOST_HEADS = 6


class Recent:
    """Left and up, in degrees, of the heads of one camera, over the last seconds."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rows: deque[tuple[float, dict[str, tuple[float, float]]]] = deque()

    def add(self, time_s: float, heads: dict[str, Head]) -> None:
        """Take in the heads of an image by their ids; a jump back in time begins anew."""
        if self._rows and time_s < self._rows[-1][0]:
            self._rows.clear()
        if self._rows and time_s - self._rows[-1][0] < _STEP_S:
            return
        self._rows.append((time_s, {i: _left_up(h) for i, h in heads.items() if h.rotation_known}))
        while self._rows[0][0] < time_s - SECONDS:
            self._rows.popleft()

    def ids(self) -> tuple[str, ...]:
        """Return the heads that were seen, the latest first to last, at most MOST_HEADS."""
        latest = {id_: None for _, row in reversed(self._rows) for id_ in row}
        return tuple(sorted(list(latest)[:MOST_HEADS], key=lambda i: (len(i), i)))

    def curves(self, ids: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """
        Return the curves of some heads.

        :returns: seconds before now, float64 [n], 0 at the end; left and up, float64
            [2, heads, n], degrees, NaN where a head was not seen
        """
        if not self._rows:
            return np.zeros(1), np.full((2, len(ids), 1), np.nan)
        times = np.array([time_s for time_s, _ in self._rows])
        unknown = (np.nan, np.nan)
        values = np.array([[row.get(id_, unknown) for id_ in ids] for _, row in self._rows])
        return times - times[-1], values.reshape(len(times), len(ids), 2).transpose(2, 1, 0)


def _left_up(head: Head) -> tuple[float, float]:
    left, up = pan_tilt_deg(head.rotation_optical).tolist()
    return left, up

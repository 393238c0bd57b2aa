"""Warnings that neither flood the log nor hide one another."""

from __future__ import annotations

import re
import time

from rclpy.impl.rcutils_logger import RcutilsLogger

PERIOD_S = 10.0


class ThrottledWarnings:
    """
    Logs each warning at most once in ten seconds.

    Throttling by the line of code, as rclpy does, would hide a new problem behind the last one.
    Texts that differ in numbers only are the same warning. The period is real time: a
    simulation's clock may stand still.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        """Log with an rclpy logger."""
        self._logger = logger
        self._logged_s: dict[str, float] = {}

    def warn(self, text: str) -> None:
        """Log a warning, unless it was logged lately."""
        now_s = time.monotonic()
        self._logged_s = {k: t for k, t in self._logged_s.items() if now_s - t < PERIOD_S}
        kind = re.sub(r'\d+', '', text)
        if kind not in self._logged_s:
            self._logged_s[kind] = now_s
            self._logger.warning(text)

"""Warnings that neither flood the log nor hide one another."""

from __future__ import annotations

import re
import time

from rclpy.impl.rcutils_logger import RcutilsLogger

from fsanet_ros.files.texts import shortened

PERIOD_S = 10.0
# Of one cause, however its texts differ: so many lines in so many seconds.
MOST_LINES, WINDOW_S = 8, 60.0
MOST_CHARACTERS = 1000


class ThrottledWarnings:
    """
    Logs each warning at most once in ten seconds, and at most eight a minute of one cause.

    Throttling by the line of code, as rclpy does, would hide a new problem behind the last one.
    Texts that differ in numbers or quoted words only are the same warning. The periods are real
    time: a simulation's clock may stand still.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        """Log with an rclpy logger."""
        self._logger = logger
        self._lines: list[tuple[float, str, str]] = []  # lately: time, cause, kind of text

    def warn(self, text: str, cause: str = '') -> None:
        """
        Log a warning, unless it was logged lately.

        :param cause: one of a fixed number, such as a topic
        """
        now_s = time.monotonic()
        self._lines = [line for line in self._lines if now_s - line[0] < WINDOW_S]
        text = shortened(text, MOST_CHARACTERS)
        kind = re.sub(r'\d+|\'[^\']*\'|"[^"]*"', '', text)
        times_s = [time_s for time_s, *line in self._lines if line == [cause, kind]]
        count = sum(line[1] == cause for line in self._lines)
        if count >= MOST_LINES or (times_s and now_s - times_s[-1] < PERIOD_S):
            return
        self._lines.append((now_s, cause, kind))
        if count == MOST_LINES - 1:
            text += f' (no more of this for up to {WINDOW_S:.0f} s)'
        self._logger.warning(text)

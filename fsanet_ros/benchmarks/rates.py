"""
The greatest rate without loss.

A node that takes the newest image and drops the one that waited never falls behind and never
fails: at too high a rate it only answers fewer images. So there are two rates. The sustained one
is the greatest at which less than 1 % of the images stay unanswered: what a camera may be set to.
The saturated one is how many are answered per second when three times as many are offered: higher,
as no time is lost in waiting for the next image, or lower, where sending them takes the machine's
time. There latency is what counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MAX_LOSS = 0.01
STEP = 1.5
OVERLOAD = 3.0
BISECTIONS = 4  # 1.5 ** (1 / 16): to 2.6 %
# What is sent of what was asked for, below which the sender is what limits.
SENDER_SHARE = 0.97


@dataclass(frozen=True)
class Trial:
    """
    What came of images at a rate.

    ``asked_hz``: the rate that was asked of the sender. ``seconds``: from the first image to one
    period after the last.
    """

    asked_hz: float
    seconds: float
    sent: int
    answered: int

    @property
    def sent_hz(self) -> float:
        """Images that were sent per second."""
        return self.sent / self.seconds

    @property
    def answered_hz(self) -> float:
        """Images that were answered per second."""
        return self.answered / self.seconds

    @property
    def loss(self) -> float:
        """The share of the images that was not answered; 1 when none was sent."""
        return 1.0 - self.answered / self.sent if self.sent else 1.0

    @property
    def sustained(self) -> bool:
        """Whether less than 1 % was lost."""
        return self.loss < MAX_LOSS

    @property
    def limited_by_sender(self) -> bool:
        """Whether fewer images were sent than were asked for."""
        return self.sent_hz < SENDER_SHARE * self.asked_hz


@dataclass(frozen=True)
class GreatestRate:
    """
    The outcome of a search.

    ``rate_hz``: the greatest that was sustained, 0 if none was. ``failed_hz``: the lowest above it
    that was not, infinite if none. ``limited_by``: 'node', or 'sender' where no more could be sent:
    the node could do more.
    """

    rate_hz: float
    failed_hz: float
    limited_by: str
    trials: tuple[Trial, ...]


def search(attempt: Callable[[float], Trial], start_hz: float, top_hz: float) -> GreatestRate:
    """
    Look for the greatest rate at which less than 1 % of the images is lost.

    In steps of a half up from ``start_hz`` (or down, where that is too much) to the first rate that
    is not sustained, then by halves between it and the one before. A rate fails when it
    fails twice: one hiccup of the machine is a hundredth of the images of a second or two.

    :param attempt: sends images at a rate and counts
    :param top_hz: no rate above it is tried
    """
    trials: list[Trial] = []

    def passes(rate_hz: float) -> bool:
        for _ in range(2):
            trials.append(attempt(rate_hz))
            if trials[-1].sustained:
                return True
        return False

    def outcome(limited_by: str) -> GreatestRate:
        best_hz = max((t.sent_hz for t in trials if t.sustained), default=0.0)
        failed = (t.sent_hz for t in trials if not t.sustained and t.sent_hz > best_hz)
        return GreatestRate(best_hz, min(failed, default=math.inf), limited_by, tuple(trials))

    low, high = start_hz, start_hz
    if passes(start_hz):
        while not trials[-1].limited_by_sender and low < top_hz:
            high = min(low * STEP, top_hz)
            if not passes(high):
                break
            low = high
        else:
            return outcome('sender')
    else:
        low = start_hz / STEP
        while not passes(low):
            high, low = low, low / STEP
            if low < 1.0:
                return outcome('node')
    for _ in range(BISECTIONS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if passes(middle) else (low, middle)
    return outcome('node')

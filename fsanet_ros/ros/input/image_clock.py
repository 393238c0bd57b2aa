"""
The time of a camera's images, also where their stamps do not tell it.

Who is followed for how long, how fast somebody turns and when to search again are all measured on
the images' stamps, so that a recording gives the same at any speed. Drivers get stamps wrong: all
0, whole seconds, two publishers whose clocks differ. Where stamps stand still or go back and forth,
the time between arrivals counts instead.
"""

from __future__ import annotations

from collections import deque

# An image up to this much older than the one before was overtaken on its way and is dropped; a
# clock that jumps back further is a recording that starts again.
LATE_NS = 200_000_000
# Of the last images, so many whose stamp repeats the one before, or goes back, are a clock that
# cannot be relied on.
_LAST, _REPEATED, _BACK = 16, 4, 4
# A call that comes so much too late is told of for so long.
_LATE_S, _TELL_S = 1.5, 10.0
_STILL_S = 2.0  # without a step, of a simulated clock
# From stamp to answer; outside, the stamp is of another clock.
_LEAST_LATENCY_S, _GREATEST_LATENCY_S = -0.5, 60.0


class ImageClock:
    """Makes a time that goes on of one camera's stamps."""

    def __init__(self, step_s: float | None = None) -> None:
        """
        Start before the first image.

        :param step_s: what counts as the time between arrivals; None: what it was
        """
        self._step_s = step_s
        self._stamp_ns: int | None = None
        self._arrived_s = 0.0
        self._offset_ns = 0  # of the time from the stamps
        self._ahead_ns = 0  # by how much the time has gone on while the stamp stood still
        self._steps: deque[str] = deque(maxlen=_LAST)
        self._by_arrival = False
        self._latency_s = 0.0

    def time_ns(self, stamp_ns: int, arrived_s: float) -> int | None:
        """
        Return the time of the next image; None for one that was overtaken on its way.

        It is the stamp, unless stamps stand still or go back and forth.

        :param arrived_s: on any steady clock
        """
        before_ns = stamp_ns if self._stamp_ns is None else self._stamp_ns
        step_ns = stamp_ns - before_ns
        arrival_ns = int(1e9 * (self._step_s or max(arrived_s - self._arrived_s, 1e-3)))
        if self._stamp_ns is not None:
            self._steps.append('back' if step_ns < 0 else 'same' if step_ns == 0 else 'on')
            if self._steps.count('back') >= _BACK:
                self._by_arrival = True
            elif self._steps.count('on') == _LAST:
                self._by_arrival = False
            if -LATE_NS <= step_ns < 0 and not self._by_arrival:
                return None
            if self._by_arrival:
                self._offset_ns += arrival_ns - step_ns
            elif step_ns == 0:
                self._offset_ns += arrival_ns
                self._ahead_ns += arrival_ns
            elif step_ns > 0 and self._ahead_ns:
                # Whole seconds: the time has gone through this one already, or most of it.
                self._offset_ns -= min(self._ahead_ns, step_ns - 1)
                self._ahead_ns = 0
        self._stamp_ns, self._arrived_s = stamp_ns, arrived_s
        return stamp_ns + self._offset_ns

    def latency_s(self, stamp_ns: int, now_ns: int) -> float:
        """Return the time from a stamp till now, NaN where the two are of different clocks."""
        self._latency_s = (now_ns - stamp_ns) / 1e9 if now_ns else 0.0
        fits = now_ns and _LEAST_LATENCY_S <= self._latency_s <= _GREATEST_LATENCY_S
        return self._latency_s if fits else float('nan')

    @property
    def problem(self) -> str:
        """What is wrong with the stamps, empty if nothing is."""
        if (self._stamp_ns or 0) < 0:
            return 'its stamps are before 1970, no time for a transform: mend header.stamp'
        if self._steps.count('same') >= max(_REPEATED, self._steps.count('back')):
            what = 'are all 0' if not self._stamp_ns else 'stand still or are too coarse'
            return f'its stamps {what}: the time of arrival is used instead; mend header.stamp'
        if self._by_arrival:
            return (
                'its stamps go back and forth (two publishers, or a driver that mixes up images?): '
                'the time of arrival is used instead'
            )
        if self._latency_s < _LEAST_LATENCY_S:
            return (
                f'its stamps are {-self._latency_s:.1f} s ahead of this clock: synchronise the '
                'clocks, or set use_sim_time'
            )
        return ''

    @property
    def difference(self) -> str:
        """Return how far the stamps are from the clock, for people; empty where they fit."""
        if _LEAST_LATENCY_S <= self._latency_s <= _GREATEST_LATENCY_S:
            return ''
        side = 'behind' if self._latency_s > 0 else 'ahead of'
        return f'stamps are {abs(self._latency_s):.0f} s {side} the clock'


class NodeClock:
    """Says whether the time that a node is given goes on; ask it now and then."""

    def __init__(self) -> None:
        """Start now."""
        self._now_ns = -1
        self._since_s = 0.0

    def problem(self, now_ns: int, steady_s: float) -> str:
        """
        Return what is wrong with the time of a node, empty if nothing is.

        :param now_ns: its time; 0 while a simulated clock has not begun
        :param steady_s: real time
        """
        if now_ns != self._now_ns:
            self._now_ns, self._since_s = now_ns, steady_s
        if steady_s - self._since_s < _STILL_S:
            return ''
        what = 'stands still' if now_ns else 'has not begun'
        return (
            f'use_sim_time is true, but the time on /clock {what}: start the simulation or '
            '`ros2 bag play --clock`, or set use_sim_time to false'
        )


class Lateness:
    """Notices that a node does not get to run: others have the processor, or it was stopped."""

    def __init__(self) -> None:
        """Begin with the first call."""
        self._called_s: float | None = None
        self._late_s = 0.0
        self._noticed_s = -_TELL_S

    def late_s(self, now_s: float, period_s: float) -> float:
        """Return by how much this call, one each period, comes too late; 0 if it is little."""
        late_s = 0.0 if self._called_s is None else now_s - self._called_s - period_s
        self._called_s = now_s
        if late_s < _LATE_S:
            return 0.0
        self._late_s, self._noticed_s = late_s, now_s
        return late_s

    def problem(self, now_s: float) -> str:
        """Return that it did not run lately, empty if it did."""
        if now_s - self._noticed_s >= _TELL_S:
            return ''
        return (
            f'starvation: this node did not get to run for {self._late_s:.1f} s: other programs '
            'have the processor, or it was stopped'
        )

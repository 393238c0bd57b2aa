"""How long viewers are to keep what is shown of an image."""

from __future__ import annotations

from collections import deque

# So many images may be missing before anything vanishes.
_PERIODS = 3.0
_GAPS = 5
# A viewer that is slow to draw, as RViz is without a graphics card, takes in messages late too.
_SHORTEST_S, _LONGEST_S = 2.0, 60.0
_UNKNOWN_S = 2.0  # with the first image


class Lifetimes:
    """
    Follows the rate of a camera's images by their stamps.

    What is shown of one lasts until the next ones come, and vanishes soon when none comes any more.
    """

    def __init__(self) -> None:
        """Start without an image."""
        self._stamp_s: float | None = None
        self._gaps_s: deque[float] = deque(maxlen=_GAPS)

    def after(self, stamp_s: float) -> float:
        """Return how long what is shown of this image is to last, in seconds."""
        last_s, self._stamp_s = self._stamp_s, stamp_s
        if last_s is not None and stamp_s > last_s:
            self._gaps_s.append(stamp_s - last_s)
        if not self._gaps_s:
            return _UNKNOWN_S
        return min(max(_PERIODS * max(self._gaps_s), _SHORTEST_S), _LONGEST_S)

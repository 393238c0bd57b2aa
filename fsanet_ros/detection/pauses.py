"""How long to wait before another look at what looks have not changed."""

from __future__ import annotations

# A float ends at 2 to the 1024th, which a scene that stands still reaches after half a day.
_MOST_DOUBLINGS = 64


def doubled_s(first_s: float, doublings: int, longest_s: float) -> float:
    """Return a time in seconds, doubled so often (0: as it is), but no longer than the longest."""
    return min(first_s * 2.0 ** min(doublings, _MOST_DOUBLINGS), longest_s)

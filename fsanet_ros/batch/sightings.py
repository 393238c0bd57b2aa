"""From the heads of an input's frames to rows of a table: identities, smoothing, attention."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fsanet_ros.attention import AttentionEstimator
from fsanet_ros.batch.head_arrays import FrameHeads
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Head

CAMERA = 'camera'
# As the node takes it.
LATE_S = 0.2
_AT_CAMERA = {CAMERA: (0.0, 0.0, 0.0)}


@dataclass(frozen=True)
class TrackingSettings:
    """
    How heads get their ids; see HeadTracker.

    ``attention``: also work out who looks at the camera and at whom.
    """

    keep_s: float = 1.0
    announce_s: float = 0.0
    smoothing: str = 'none'
    attention: bool = False


@dataclass(frozen=True, eq=False)
class Sighting:
    """
    A head in a frame.

    ``id``: empty in pictures. ``age_s``: since this id was first seen. ``looks_at``: None if nobody
    asked.
    """

    frame: int
    time_s: float
    topic: str
    id: str
    head: Head
    age_s: float = 0.0
    looks_at: str | None = None
    looks_at_for_s: float = math.nan


def sightings_in(heads: FrameHeads, settings: TrackingSettings, ids: bool) -> Iterator[Sighting]:
    """
    Yield the heads of one input in order.

    :param ids: whether frames follow one another in time, as in a video or bag
    """
    followers: dict[str, Follower] = {}
    for index, found in enumerate(heads.heads_of_frames()):
        frame, time_s = int(heads.number[index]), float(heads.time_s[index])
        topic = heads.topics[heads.topic[index]]
        if not ids:
            yield from (Sighting(frame, time_s, topic, '', head) for head in found)
            continue
        if topic not in followers:
            # As the node names them: h1, h2; of several cameras ha1, hb1.
            letter = chr(ord('a') + len(followers) % 26) if len(heads.topics) > 1 else ''
            followers[topic] = Follower(settings, f'h{letter}')
        yield from followers[topic].follow(frame, time_s, topic, found)


class Follower:
    """Follows the heads before one camera."""

    def __init__(self, settings: TrackingSettings, id_prefix: str = 'h') -> None:
        """Start with nobody."""
        self._tracker = HeadTracker(
            id_prefix,
            keep_s=settings.keep_s,
            announce_s=settings.announce_s,
            smoothing=settings.smoothing,
        )
        self._last_s = -math.inf
        self._attention = AttentionEstimator() if settings.attention else None

    def follow(
        self, frame: int, time_s: float, topic: str, heads: list[Head]
    ) -> Iterator[Sighting]:
        """Yield the heads of the next frame with their ids."""
        # An image that was overtaken on its way is no clock that jumps back.
        late = 0.0 <= self._last_s - time_s <= LATE_S
        self._last_s = self._last_s if late else time_s
        tracked = self._tracker.update(heads, self._last_s)
        states = {}
        if self._attention is not None:
            found = self._attention.update(tracked, self._tracker.ids, _AT_CAMERA, self._last_s)
            states = {state.id: state for state in found}
        for one in tracked:
            state = states.get(one.id)
            yield Sighting(
                frame,
                time_s,
                topic,
                one.id,
                one.head,
                one.age_s,
                looks_at=None if state is None else state.target or '',
                looks_at_for_s=math.nan if state is None else state.duration_s,
            )

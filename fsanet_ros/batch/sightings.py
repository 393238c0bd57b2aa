"""From the heads of an input's frames to rows of a table: identities, smoothing, attention."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fsanet_ros.attention import AttentionEstimator
from fsanet_ros.batch.head_arrays import FrameHeads
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Head

CAMERA = 'camera'
# As the node takes it, and its defaults.
LATE_S = 0.2
NODE_ANNOUNCE_S, NODE_SMOOTHING = 0.05, 'light'
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

    id: str
    head: Head
    age_s: float = 0.0
    looks_at: str | None = None
    looks_at_for_s: float = math.nan


@dataclass(frozen=True, eq=False)
class SightedFrame:
    """
    A frame and who is seen in it.

    ``number``: counted from 0. ``time_s``: NaN for pictures. ``size``: width and height in pixels.
    Of a bag: ``topic``, ``frame_id``, the image's stamp and when it was recorded, nanoseconds.
    """

    number: int
    time_s: float
    size: tuple[int, int] = (0, 0)
    topic: str = ''
    frame_id: str = ''
    stamp_ns: int = 0
    recorded_ns: int = 0
    sightings: tuple[Sighting, ...] = ()


def sighted_frames(
    parts: Iterable[FrameHeads], settings: TrackingSettings, topics: Sequence[str], ids: bool
) -> Iterator[SightedFrame]:
    """
    Yield the frames of one input in order.

    :param parts: the heads of its frames, in order
    :param topics: of the images of a bag, all that there are; several have ids of their own
    :param ids: whether frames follow one another in time, as in a video or bag
    """
    followers = {
        # As the node names them: h1, h2; of several cameras ha1, hb1.
        topic: Follower(settings, f'h{chr(ord("a") + index % 26)}' if len(topics) > 1 else 'h')
        for index, topic in enumerate(topics)
    }
    frames = 0
    for part in parts:
        for index, heads in enumerate(part.heads_of_frames()):
            source, time_s = int(part.topic[index]), float(part.time_s[index])
            topic = part.topics[source]
            found = (
                followers[topic].follow(heads, time_s)
                if ids
                else tuple(Sighting('', head) for head in heads)
            )
            yield SightedFrame(
                number=frames + index,
                time_s=time_s,
                size=(int(part.size[index, 0]), int(part.size[index, 1])),
                topic=topic,
                frame_id=part.frame_ids[source],
                stamp_ns=int(part.stamp_ns[index]),
                recorded_ns=int(part.recorded_ns[index]),
                sightings=found,
            )
        frames += len(part.number)


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

    def follow(self, heads: Sequence[Head], time_s: float) -> tuple[Sighting, ...]:
        """Return the heads of the next frame with their ids."""
        # An image that was overtaken on its way is no clock that jumps back.
        late = 0.0 <= self._last_s - time_s <= LATE_S
        self._last_s = self._last_s if late else time_s
        tracked = self._tracker.update(heads, self._last_s)
        if self._attention is None:
            return tuple(Sighting(one.id, one.head, one.age_s) for one in tracked)
        found = self._attention.update(tracked, self._tracker.ids, _AT_CAMERA, self._last_s)
        states = {state.id: state for state in found}
        return tuple(
            Sighting(
                one.id,
                one.head,
                one.age_s,
                looks_at=states[one.id].target or '',
                looks_at_for_s=states[one.id].duration_s,
            )
            for one in tracked
        )

"""A face that is followed: where it should be now, and when to ask again how it is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fsanet_ros.detection.pauses import doubled_s
from fsanet_ros.detection.places import NEAR_REACH, REACH
from fsanet_ros.types import Box, Face, Square

# The place of a missing face grows by so much of the usual one with each image.
_WIDER = 0.25
# Seen so often, its movement is known.
_WELL_KNOWN = 3
# Which turn shows a face best is asked so often, and once two answers agree after the second of
# these times, twice that, and so on up to the third ...
_TURN_S, _AGREED_TURN_S, _LONGEST_TURN_S, _AGREED = 1.0, 5.0, 20.0, 2
# ... unless its score has fallen by more than this: it may have turned since.
_FALLEN_SCORE = 0.1


@dataclass(frozen=True, eq=False)
class Known:
    """
    A face that is followed.

    ``face``: as it was seen last, at ``seen_s``; ``sure_s``: when its score was above the
    threshold. ``velocity``: of its middle, pixels per second. ``seen``: how often; ``missed``:
    images since then. ``turned_s``: when its best turn was asked for, ``turned_score``: how it
    scored then, ``agreed``: how often in a row the answer was the turn that it has. ``number``: of
    its own.
    """

    face: Face
    seen_s: float
    sure_s: float
    velocity: tuple[float, float] = (0.0, 0.0)
    seen: int = 1
    missed: int = 0
    turned_s: float = -math.inf
    turned_score: float = 0.0
    agreed: int = 0
    number: int = 0

    @property
    def reach(self) -> float:
        """Side of the place to look for it in, over that of its face square."""
        near = self.seen >= _WELL_KNOWN and not self.missed
        return NEAR_REACH if near else REACH * (1.0 + _WIDER * self.missed)

    def expected(self, time_s: float) -> Face:
        """Return the face where it should be."""
        face, passed_s = self.face, time_s - self.seen_s
        x, y = self.velocity[0] * passed_s, self.velocity[1] * passed_s
        box, square = face.box, face.square
        return Face(
            Box(box.x + x, box.y + y, box.width, box.height),
            face.score,
            Square(square.center_x + x, square.center_y + y, square.side),
            face.landmarks,
            face.turn_deg,
        )

    def seen_again(self, face: Face, time_s: float, is_sure: bool) -> Known:
        """Return the same face as seen in a later image."""
        passed_s = time_s - self.seen_s
        velocity = self.velocity
        if passed_s > 0.0:
            x, y = (
                0.5 * v + 0.5 * (now - before) / passed_s
                for v, now, before in zip(
                    velocity, face.box.center, self.face.box.center, strict=True
                )
            )
            velocity = x, y
        return Known(
            face,
            time_s,
            time_s if is_sure else self.sure_s,
            velocity,
            self.seen + 1,
            0,
            self.turned_s,
            self.turned_score,
            self.agreed,
            self.number,
        )

    def turn_is_due(self, time_s: float) -> bool:
        """Whether its best turn is to be asked for."""
        wait_s = _TURN_S
        if self.agreed >= _AGREED and self.face.score >= self.turned_score - _FALLEN_SCORE:
            wait_s = doubled_s(_AGREED_TURN_S, self.agreed - _AGREED, _LONGEST_TURN_S)
        return not 0.0 <= time_s - self.turned_s < wait_s

    def asked_to_turn(self, time_s: float) -> Known:
        """Return the same face, of which the best turn has been asked for."""
        return replace(self, turned_s=time_s, turned_score=self.face.score)

    def turned(self, before: Face, best: Face) -> Known:
        """
        Return the same face, turned as it is best seen.

        :param before: when it was asked, ``best``: the answer; it has moved since
        """
        if best.turn_deg == self.face.turn_deg:
            return replace(self, agreed=self.agreed + 1)
        x, y = (a - b for a, b in zip(self.face.box.center, before.box.center, strict=True))
        return replace(self, face=best.moved(x, y), agreed=0)

"""Where several cameras stand, for views: by /tf, in a world whose floor is level."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry import quaternions
from fsanet_ros.geometry.quaternions import Quaternion
from fsanet_ros.ros.output.frame_tree import FrameError, FrameTree
from fsanet_ros.view.shown import Place

# From z forward and y down to x forward and z up.
_UPRIGHT: Quaternion = (0.5, -0.5, 0.5, -0.5)


class CameraPlaces:
    """
    Places cameras in a world: the first at its origin, looking along x as seen from above.

    The world rests in the lowest frame that all of them hang from, such as base_link: they turn
    about one another when they do, and stay when the robot drives.
    """

    def __init__(self, tree: FrameTree) -> None:
        """:param tree: is asked again for each image, as frames may move"""
        self._tree = tree
        self._frames: dict[int, str] = {}
        self._known: dict[str, Place] = {}
        # The lowest common frame and the first camera's, and the former's pose in the world.
        self._base = self._first = ''
        self._turn: Quaternion = (1.0, 0.0, 0.0, 0.0)
        self._shift: FloatArray = np.zeros(3)

    def of(self, number: int, frame: str, stamp_s: float) -> Place | None:
        """
        Return where a camera stands at a time, or stood when that was last known; else None.

        :param number: the camera's; of those that are known the least is the first
        :param frame: that of its images, optical
        """
        frame = frame.lstrip('/')
        if not frame:
            return None
        self._frames[number] = frame
        try:
            self._rest(stamp_s)
            position, rotation = self._tree.pose(frame, self._base, stamp_s)
        except FrameError:
            return self._known.get(frame)
        place = Place(
            _rotated(self._turn, position) + self._shift,
            quaternions.product(self._turn, rotation),
        )
        self._known[frame] = place
        return place

    def _rest(self, stamp_s: float) -> None:
        """Let the world rest in the lowest frame that all cameras hang from, if that is another."""
        first, *others = (self._frames[number] for number in sorted(self._frames))
        base = first
        for frame in others:
            with contextlib.suppress(FrameError):
                base = self._tree.common_ancestor(base, frame)
        if (base, first) == (self._base, self._first):
            return
        position, rotation = self._tree.pose(first, base, stamp_s)
        if base in self._frames.values() or 'optical' in base:
            turn = _UPRIGHT
        else:
            x, y, _ = quaternions.rotated(rotation, (0.0, 0.0, 1.0))  # where the first looks
            half_rad = -math.atan2(y, x) / 2.0
            turn = (math.cos(half_rad), 0.0, 0.0, math.sin(half_rad))
        self._base, self._first, self._turn = base, first, turn
        self._shift = -_rotated(turn, position)


def _rotated(q: Quaternion, position: FloatArray) -> FloatArray:
    x, y, z = position.tolist()
    return np.array(quaternions.rotated(q, (x, y, z)))

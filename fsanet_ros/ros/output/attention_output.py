"""What the heads are turned to, on the topics attention and attention_markers."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from std_msgs.msg import Header

from fsanet_ros.attention import AttentionEstimator, AttentionState
from fsanet_ros.msg import Attention, AttentionArray
from fsanet_ros.ros.output.frame_listener import FrameListener
from fsanet_ros.ros.output.frame_tree import FrameError
from fsanet_ros.ros.output.marker_output import MarkerOutput
from fsanet_ros.ros.output.publishers import is_heard
from fsanet_ros.ros.settings import AttentionSettings
from fsanet_ros.ros.stamps import duration, seconds
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import FloatArray

if TYPE_CHECKING:
    from fsanet_ros.drawing.shapes import Shape

CAMERA = 'camera'  # the target that stands for the frame of the image itself
# A frame that is missing for a moment is no problem: transforms come late, most of all at first.
PATIENCE_S = 2.0


class AttentionOutput:
    """
    Two lifecycle publishers, the state of each camera's heads, and the frames they look at.

    /tf is heard while somebody subscribes and a target other than the camera is named.
    """

    def __init__(self, node: LifecycleNode) -> None:
        """Make the publishers; they are silent until the node is active."""
        self._node = node
        self._attention: LifecyclePublisher = node.create_lifecycle_publisher(
            AttentionArray, 'attention', 10
        )
        self._markers = MarkerOutput(node, 'attention_markers')
        self._settings = AttentionSettings(targets=[])
        self._targets: tuple[str, ...] = ()
        self._cameras: dict[str, AttentionEstimator] = {}
        self._listener: FrameListener | None = None
        self._listener_error = ''
        # By camera and target: since when it is missing, and why.
        self._missing: dict[tuple[str, str], tuple[float, str]] = {}

    def wanted(self) -> bool:
        """Whether anybody subscribes. If nobody does, stop listening to /tf."""
        heard = is_heard(self._attention) or is_heard(self._markers.publisher)
        if not heard:
            self._stop_listening()
        return heard

    def adapt(self, settings: AttentionSettings) -> None:
        """Follow the settings, which can change at any time; empty targets are ignored."""
        self._settings = settings
        # A dictionary: each once, in their order.
        self._targets = tuple(dict.fromkeys(filter(None, settings.targets)))
        self._missing = {k: v for k, v in self._missing.items() if k[1] in self._targets}
        if self._listener is not None:
            self._listener.names = self._frames

    def publish(
        self,
        camera: str,
        tracked: Sequence[TrackedHead],
        alive_ids: Collection[str],
        header: Header,
    ) -> None:
        """
        Publish what the heads in one image are turned to, also when there are none.

        :param camera: its name; every camera's heads have a state of their own
        :param alive_ids: the heads of this camera that are followed, seen or not
        """
        if not self.wanted():
            return
        stamp_s = seconds(header.stamp)
        targets = self._positions(camera, header.frame_id, stamp_s)
        estimator = self._cameras.setdefault(camera, AttentionEstimator())
        estimator.threshold_deg = self._settings.angle_deg
        estimator.hysteresis_deg = self._settings.hysteresis_deg
        estimator.heads_as_targets = self._settings.heads
        states = estimator.update(tracked, alive_ids, targets, stamp_s)
        if is_heard(self._attention):
            self._attention.publish(attention_array(states, header))
        self._markers.publish(camera, header, lambda: shapes_of(states, tracked, targets))

    def problems(self) -> list[str]:
        """Return what is missing for a while now, a sentence for each target."""
        if not self.wanted():
            return []
        late_s = time.monotonic() - PATIENCE_S
        return list(dict.fromkeys(text for since, text in self._missing.values() if since < late_s))

    def reset(self) -> None:
        """Forget all heads and frames, and do not hear /tf until the next image."""
        self._cameras.clear()
        self._markers.clear()
        self._stop_listening()

    def forget(self, camera: str) -> None:
        """Take away what is seen of a camera that has fallen silent."""
        self._markers.forget(camera)

    def destroy(self) -> None:
        """Take the publishers and subscriptions away."""
        self.reset()
        self._node.destroy_lifecycle_publisher(self._attention)
        self._markers.destroy()

    @property
    def _frames(self) -> frozenset[str]:
        return frozenset(name.lstrip('/') for name in self._targets if name != CAMERA)

    def _listen(self) -> None:
        if not self._frames:
            self._stop_listening()
        elif self._listener is None and not self._listener_error:
            try:
                self._listener = FrameListener(self._node, self._frames)
            except ImportError as error:
                self._listener_error = str(error)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.destroy()
        self._listener = None
        self._missing.clear()

    def _positions(self, camera: str, frame: str, stamp_s: float) -> dict[str, FloatArray]:
        """Return the targets' positions in the camera's frame, and note which are missing."""
        self._listen()
        if self._listener is not None:
            self._listener.refresh()
        found = {}
        for name in self._targets:
            try:
                found[name] = self._position(name, frame, stamp_s)
                self._missing.pop((camera, name), None)
            except FrameError as error:
                since_s, _ = self._missing.get((camera, name), (time.monotonic(), ''))
                self._missing[camera, name] = since_s, f'target {name}: {error}'
        return found

    def _position(self, name: str, frame: str, stamp_s: float) -> FloatArray:
        if name == CAMERA or name.lstrip('/') == frame.lstrip('/'):
            return np.zeros(3)
        if not frame:
            raise FrameError('the images name no frame (header.frame_id is empty)')
        if self._listener is None:
            raise FrameError(self._listener_error)
        return self._listener.tree.position(name, frame, stamp_s)


def attention_array(states: Sequence[AttentionState], header: Header) -> AttentionArray:
    """Return the message of one image."""
    heads = [
        Attention(
            id=state.id,
            target=state.target,
            duration=duration(state.duration_s),
            candidates=list(state.candidates),
            angles=state.angles_rad.tolist(),
            probabilities=state.probabilities.tolist(),
        )
        for state in states
    ]
    return AttentionArray(header=header, heads=heads)


def shapes_of(
    states: Sequence[AttentionState],
    tracked: Sequence[TrackedHead],
    targets_m: Mapping[str, FloatArray],
) -> list[Shape]:
    """
    Return a line from each head to its target, and a text with the target's name and duration.

    :param targets_m: positions by name, float64 [3], where they are known
    """
    from fsanet_ros.drawing.shapes import attention_shapes  # here: robots look at nothing

    heads = {one.id: one.head for one in tracked}
    places_m = {id_: head.position_m for id_, head in heads.items()} | dict(targets_m)
    shapes = []
    for state in states:
        head, end = heads.get(state.id), places_m.get(state.target)
        if head is not None and head.position_m is not None and end is not None:
            text = f'{state.target} {state.duration_s:.1f} s'
            other = state.target if state.target in heads else ''
            shapes += attention_shapes(state.id, head, end, text, other)
    return shapes

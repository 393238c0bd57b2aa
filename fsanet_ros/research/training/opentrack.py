"""
A second teacher: the head tracker of opentrack (Welter 2023, ISC licence), 3.5 MB.

It was trained on other labels than 3DDFA and errs in another way, so that the two together are
better than each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]

SIZE = 129  # pixels of its pictures
_CROP = 0.9  # of the face square's side
# Of the grey values: what is darker than _DARK is made as bright as it would be with a gain.
_BRIGHT_PERCENT, _DARK, _BRIGHT = 90, 127, 0.45
_LEAST_BRIGHT = 5.0


def answers_of(session: Any) -> Callable[[NDArray[np.uint8]], FloatArray]:
    """
    Return what gives R_optical, float64 [n, 3, 3], of face squares, uint8 [n, s, s, 3] BGR.

    :param session: onnxruntime's, of head-pose-0.4-small-int8.onnx
    """

    def answers(pictures: NDArray[np.uint8]) -> FloatArray:
        # The file takes one picture at a time.
        quaternions = [session.run(['quat'], {'x': _input(p)})[0][0] for p in pictures]
        matrices: FloatArray = Rotation.from_quat(np.stack(quaternions)).as_matrix()
        return matrices

    return answers


def _input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    step = SIZE / (_CROP * len(grey))
    corner = (SIZE - 1) / 2 - step * (len(grey) - 1) / 2
    matrix = np.array([[step, 0.0, corner], [0.0, step, corner]])
    flags = {'flags': cv2.INTER_LINEAR, 'borderMode': cv2.BORDER_REPLICATE}
    light = cv2.warpAffine(grey, matrix, (SIZE, SIZE), **flags).astype(np.float32)
    bright = float(np.percentile(light, _BRIGHT_PERCENT))
    gain = _BRIGHT / max(_LEAST_BRIGHT, bright) if bright < _DARK else 1.0 / 255.0
    return (light * np.float32(gain) - np.float32(0.5))[None, None]

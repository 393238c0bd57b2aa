"""
Pointing'04: photographs of people who look at marks on a wall, with nominal pan and tilt.

N. Gourier, D. Hall, J. L. Crowley, "Estimating Face Orientation from Robust Detection of Salient
Facial Structures", FG Net Workshop on Visual Observation of Deictic Gestures, 2004.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

_NAME = re.compile(r'([+-]\d+)([+-]\d+)\.jpg$')


def read_pointing04(path: str | Path) -> Iterator[tuple[NDArray[np.uint8], float, float]]:
    """
    Yield picture (uint8 [288, 384, 3] BGR), pan and tilt in degrees, with the signs of yaw, pitch.

    :param path: pointing04.zip, or the folder that holds it
    :raises FileNotFoundError: if it is not there
    """
    path = Path(path)
    path = path / 'pointing04.zip' if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: expected pointing04.zip')
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            found = _NAME.search(name)
            if found is None:
                continue
            data = np.frombuffer(archive.read(name), np.uint8)
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
            if picture is None:
                raise ValueError(f'{path}: {name} is not a readable picture')
            yield np.asarray(picture, np.uint8), float(found[2]), float(found[1])

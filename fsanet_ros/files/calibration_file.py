"""
Camera calibration files: the YAML that camera_calibration writes and camera drivers read.

It needs PyYAML and no ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.distortion import is_known_model, meant_distortion
from fsanet_ros.files.untrusted import load_yaml


class CalibrationError(ValueError):
    """A calibration that can't be used; the text says why and what to do."""


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """
    What a calibration file says of one camera; the names are those of sensor_msgs/CameraInfo.

    ``width``, ``height``: the calibrated picture in pixels, 0 where not known. ``k``: float64
    [3, 3], the intrinsic matrix in pixels. ``d``: float64 [n], the coefficients of
    ``distortion_model``. ``r``: float64 [3, 3], rectifying rotation. ``p``: float64 [3, 4],
    projection of the rectified picture.
    """

    width: int
    height: int
    k: FloatArray
    d: FloatArray
    distortion_model: str
    r: FloatArray
    p: FloatArray
    camera_name: str = ''


def read_calibration(path: str | Path) -> CalibrationData:
    """
    Read a YAML file in the format of camera_calibration.

    Raises CalibrationError, with the file and the field, when it is missing, not YAML, incomplete
    or not a calibration (a focal length of 0).
    """
    try:
        content = load_yaml(Path(path))
    except OSError as error:
        raise CalibrationError(
            f'the calibration {path} could not be read ({error.strerror}); give the YAML file '
            'that camera_calibration has written.'
        ) from error
    except ValueError as error:
        raise CalibrationError(
            f'the calibration {path} {error}; .ini files have to be converted.'
        ) from error
    try:
        return _calibration(content)
    except CalibrationError as error:
        raise CalibrationError(f'the calibration {path}: {error}') from error


def write_calibration(path: str | Path, calibration: CalibrationData) -> None:
    """Write a YAML file in the format of camera_calibration."""
    import yaml

    def matrix(values: FloatArray) -> dict[str, Any]:
        rows, cols = np.atleast_2d(values).shape
        return {'rows': rows, 'cols': cols, 'data': [float(v) for v in values.ravel()]}

    content = {
        'image_width': calibration.width,
        'image_height': calibration.height,
        'camera_name': calibration.camera_name,
        'camera_matrix': matrix(calibration.k),
        'distortion_model': calibration.distortion_model,
        'distortion_coefficients': matrix(calibration.d),
        'rectification_matrix': matrix(calibration.r),
        'projection_matrix': matrix(calibration.p),
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    Path(path).write_text(text, encoding='utf-8')


def _calibration(content: Any) -> CalibrationData:
    if not isinstance(content, Mapping):
        raise CalibrationError(
            f'found {type(content).__name__}, expected image_width, camera_matrix and so on.'
        )
    k = _numbers(content, 'camera_matrix', (9,)).reshape(3, 3)
    if not (k[0, 0] > 0 and k[1, 1] > 0):
        raise CalibrationError(
            f'camera_matrix has the focal lengths {k[0, 0]:g} and {k[1, 1]:g}; both must be '
            'positive. Calibrate the camera, or give no calibration.'
        )
    model = content.get('distortion_model', 'plumb_bob')
    if not isinstance(model, str):
        raise CalibrationError(f'distortion_model is {model!r}, expected a name such as plumb_bob.')
    d = _numbers(content, 'distortion_coefficients', None)
    if is_known_model(model):  # others are passed on as they are
        try:
            meant_distortion(model, d)
        except ValueError as error:
            raise CalibrationError(f'distortion_coefficients: {error}') from error
    r, p = np.eye(3), np.hstack([k, np.zeros((3, 1))])  # what they are for a single camera
    if 'rectification_matrix' in content:
        r = _numbers(content, 'rectification_matrix', (9,)).reshape(3, 3)
    if 'projection_matrix' in content:
        p = _numbers(content, 'projection_matrix', (12,)).reshape(3, 4)
    return CalibrationData(
        width=_size(content, 'image_width'),
        height=_size(content, 'image_height'),
        k=k,
        d=d,
        distortion_model=model,
        r=r,
        p=p,
        camera_name=str(content.get('camera_name') or ''),
    )


def _size(content: Mapping[str, Any], field: str) -> int:
    value = content.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise CalibrationError(f'{field} is {value!r}, expected a positive number of pixels.')
    return value


def _numbers(content: Mapping[str, Any], field: str, counts: tuple[int, ...] | None) -> FloatArray:
    """Return the ``data`` of a matrix as float64 [n], n one of ``counts`` (None: any)."""
    matrix = content.get(field)
    data = matrix.get('data') if isinstance(matrix, Mapping) else None
    if not isinstance(data, list):
        raise CalibrationError(f'{field} is {matrix!r}, expected rows, cols and a list data.')
    try:
        # float() of each: YAML 1.1 takes 1e-05, as some writers put it, for a string.
        numbers = np.array([float(value) for value in data])
    except (TypeError, ValueError) as error:
        raise CalibrationError(f'{field}: data is {data!r}, expected numbers.') from error
    if not np.isfinite(numbers).all():
        raise CalibrationError(f'{field}: data is {data!r}, expected finite numbers.')
    if counts is not None and len(numbers) not in counts:
        wanted = ' or '.join(map(str, counts))
        raise CalibrationError(f'{field}: data has {len(numbers)} numbers, expected {wanted}.')
    return numbers

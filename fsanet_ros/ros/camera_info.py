"""sensor_msgs/CameraInfo: made from calibration files, and read into camera models."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from sensor_msgs.msg import CameraInfo

from fsanet_ros.geometry.calibration_file import Calibration as CalibrationData
from fsanet_ros.geometry.calibration_file import CalibrationError
from fsanet_ros.geometry.camera import CameraModel


def path_from_url(url: str) -> Path:
    """
    Return the file that a camera_info_url names: a path, file:///path or package://name/path.

    Raises CalibrationError for another scheme or a package that is not there.
    """
    parts = urlsplit(url)
    if not parts.scheme:
        return Path(url).expanduser()
    if parts.scheme == 'file':
        return Path(unquote(parts.path))
    if parts.scheme != 'package':
        raise CalibrationError(
            f'camera_info_url is {url!r}; a path, file:///... or package://... is expected.'
        )
    try:
        return Path(get_package_share_directory(parts.netloc)) / unquote(parts.path.lstrip('/'))
    except (PackageNotFoundError, OSError, ValueError) as error:
        raise CalibrationError(
            f'camera_info_url is {url!r}, but there is no package {parts.netloc!r} here; '
            'source its workspace or give a path.'
        ) from error


def camera_info_from_calibration(calibration: CalibrationData) -> CameraInfo:
    """Return the CameraInfo of a calibration; the header is left to fill in."""
    return CameraInfo(
        width=calibration.width,
        height=calibration.height,
        distortion_model=calibration.distortion_model,
        d=calibration.d.tolist(),
        k=calibration.k.ravel(),
        r=calibration.r.ravel(),
        p=calibration.p.ravel(),
    )


def uncalibrated_camera_info(width: int, height: int) -> CameraInfo:
    """Return the CameraInfo that says 'not calibrated': D, K, R and P are zero."""
    return CameraInfo(width=width, height=height)


def camera_from_info(info: CameraInfo) -> CameraModel | None:
    """
    Return the camera that a CameraInfo describes, for the picture as it is published.

    None where it says that it is not calibrated (K is zero). Binning and region of interest are
    taken into account.

    :raises ValueError: if it claims a calibration that is none
    """
    if not any(info.k):
        return None
    k = np.array(info.k, np.float64).reshape(3, 3)
    width, height = int(info.width), int(info.height)
    roi = info.roi
    # An empty region is the whole picture.
    if roi.width and roi.height:
        k[:2, 2] -= roi.x_offset, roi.y_offset
        width, height = int(roi.width), int(roi.height)
    binning_x, binning_y = max(info.binning_x, 1), max(info.binning_y, 1)
    # Pixel centres are whole numbers in K, so binning shifts the centre by half a pixel too.
    k[0] /= binning_x
    k[1] /= binning_y
    k[0, 2] += 0.5 / binning_x - 0.5
    k[1, 2] += 0.5 / binning_y - 0.5
    return CameraModel(
        width // binning_x,
        height // binning_y,
        k,
        np.array(info.d, np.float64),
        info.distortion_model,
    )


class Calibration:
    """The newest CameraInfo of a camera, and what is wrong with it."""

    def __init__(self) -> None:
        """Start without any."""
        self.state = 'no camera_info'
        self._camera: CameraModel | None = None
        self._content: bytes = b''

    @property
    def known(self) -> bool:
        """Whether any CameraInfo has come."""
        return bool(self._content)

    def update(self, info: CameraInfo) -> None:
        """Take a CameraInfo; cheap while it says the same as the last one."""
        roi = info.roi
        content = repr(
            (
                *(info.width, info.height, info.distortion_model, tuple(info.d), tuple(info.k)),
                *(info.binning_x, info.binning_y),
                *(roi.x_offset, roi.y_offset, roi.width, roi.height),
            )
        ).encode()
        if content == self._content:
            return
        self._content = content
        try:
            self._camera = camera_from_info(info)
            self.state = 'calibrated' if self._camera else 'not calibrated (K is zero)'
        except ValueError as error:
            self._camera = None
            self.state = f'unusable camera_info: {error}'

    def camera_for(self, width: int, height: int) -> CameraModel | None:
        """Return the camera of a picture of this size in pixels, None without calibration."""
        camera = self._camera
        if camera is None:
            return None
        if (camera.width, camera.height) != (width, height):
            self.state = (
                f'camera_info is for {camera.width} x {camera.height} pixels, the image has '
                f'{width} x {height}'
            )
            return None
        self.state = 'calibrated'
        return camera

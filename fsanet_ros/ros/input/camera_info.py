"""sensor_msgs/CameraInfo: made from calibration files, and read into camera models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from sensor_msgs.msg import CameraInfo

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.calibration_file import CalibrationData, CalibrationError
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


def is_rectified_topic(topic: str) -> bool:
    """
    Return whether a topic's images are rectified, by its name.

    image_proc and the drivers that rectify call them image_rect, image_rect_color,
    image_rect/compressed and the like; everything else is raw.
    """
    return any(name.startswith('image_rect') for name in topic.split('/'))


def camera_from_info(info: CameraInfo) -> CameraModel | None:
    """
    Return the camera of the raw images that a CameraInfo describes (K and D), as published.

    None where it says that it is not calibrated (K is zero). Binning and region of interest are
    taken into account. The camera's axes are those of the raw image: a stereo pair's R is not
    applied.

    :raises ValueError: if it claims a calibration that is none
    """
    if not any(info.k):
        return None
    k = np.array(info.k, np.float64).reshape(3, 3)
    return _published(info, k, np.array(info.d, np.float64), info.distortion_model)


def rectified_camera_from_info(info: CameraInfo) -> CameraModel | None:
    """
    Return the camera of the rectified images that a CameraInfo describes: P, no distortion.

    Where P is zero, as some drivers leave it, but D is too, raw and rectified images are the same
    and K holds. None where K and P are zero: not calibrated. The region of interest is the same
    window of the rectified picture, which is what image_proc cuts out. P's last column, which
    says where the second camera of a stereo pair is, is left out: positions are seen from the
    camera that took the image.

    :raises ValueError: if it claims a calibration that is none
    """
    projection = np.array(info.p, np.float64).reshape(3, 4)
    if projection.any():
        return _published(info, projection[:, :3].copy(), np.zeros(0), '')
    if any(info.d):
        raise ValueError(
            'P is zero, but rectified images are described by P; calibrate the camera, or take '
            'the raw images'
        )
    return camera_from_info(info)


def _published(info: CameraInfo, k: FloatArray, d: FloatArray, model: str) -> CameraModel:
    """Return the camera of the published picture, from that of the whole sensor."""
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
    return CameraModel(width // binning_x, height // binning_y, k, d, model)


class Calibration:
    """
    The newest CameraInfo of a camera, and what is wrong with it.

    ``state`` is 'calibrated' or says why there is no camera. A CameraInfo may change at any time.
    """

    def __init__(self, read: Callable[[CameraInfo], CameraModel | None] = camera_from_info) -> None:
        """Start without any; ``read`` is rectified_camera_from_info for rectified images."""
        self.state = 'no camera_info'
        self._read = read
        self._camera: CameraModel | None = None
        self._content: tuple[object, ...] = ()

    @property
    def known(self) -> bool:
        """Whether any CameraInfo has come."""
        return bool(self._content)

    def update(self, info: CameraInfo) -> None:
        """Take a CameraInfo; cheap while it says the same as the last one."""
        roi = info.roi
        content = (
            *(info.width, info.height, info.distortion_model, info.binning_x, info.binning_y),
            *(roi.x_offset, roi.y_offset, roi.width, roi.height),
            *(bytes(memoryview(values)) for values in (info.d, info.k, info.p)),
        )
        if content == self._content:
            return
        self._content = content
        try:
            self._camera = self._read(info)
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

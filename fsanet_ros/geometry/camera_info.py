"""
sensor_msgs/CameraInfo read into camera models.

Where a message comes from does not matter: ROS, or a bag that is read without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry.camera import CameraModel


class CameraInfoMessage(Protocol):
    """The fields of sensor_msgs/CameraInfo."""

    width: int
    height: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


def info_topic(image_topic: str) -> str:
    """Return the topic of the calibration: camera_info beside the images, as image_transport."""
    return image_topic[: image_topic.rfind('/') + 1] + 'camera_info'


def is_rectified_topic(topic: str) -> bool:
    """
    Return whether a topic's images are rectified, by its name.

    image_proc and the drivers that rectify call them image_rect, image_rect_color,
    image_rect/compressed and the like; everything else is raw.
    """
    return any(name.startswith('image_rect') for name in topic.split('/'))


def camera_from_info(info: CameraInfoMessage) -> CameraModel | None:
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


def rectified_camera_from_info(info: CameraInfoMessage) -> CameraModel | None:
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


def _published(info: CameraInfoMessage, k: FloatArray, d: FloatArray, model: str) -> CameraModel:
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


Reader = Callable[[CameraInfoMessage], CameraModel | None]


class Calibration:
    """
    The newest CameraInfo of a camera, and what is wrong with it.

    ``state`` is 'calibrated' or says why there is no camera. A CameraInfo may change at any time.
    """

    def __init__(
        self, read: Callable[[CameraInfoMessage], CameraModel | None] = camera_from_info
    ) -> None:
        """Start without any; ``read`` is rectified_camera_from_info for rectified images."""
        self.state = 'no camera_info'
        self._read = read
        self._camera: CameraModel | None = None
        self._content: tuple[object, ...] = ()

    @property
    def known(self) -> bool:
        """Whether any CameraInfo has come."""
        return bool(self._content)

    def update(self, info: CameraInfoMessage) -> None:
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

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
    r: Any
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

    None where it says that it is not calibrated (K is zero). Where only P is given, and there is
    nothing to rectify, P holds. Binning and region of interest are taken into account. The
    camera's axes are those of the raw image: a stereo pair's R is not applied. Sizes of 0 stay
    unknown, see CameraModel.fitting.

    :raises ValueError: if it claims a calibration that is none
    """
    if any(info.k):
        k = np.array(info.k, np.float64).reshape(3, 3)
        return _published(info, k, np.array(info.d, np.float64), info.distortion_model)
    if any(info.p) and not any(info.d) and _turns_nothing(info.r):
        return rectified_camera_from_info(info)
    return None


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


def _turns_nothing(r: Any) -> bool:
    """Return whether a rectifying rotation is none, or was not filled in."""
    values = np.array(r, np.float64)
    return not values.any() or bool(np.abs(values - np.eye(3).ravel()).max() < 1e-6)


def _published(info: CameraInfoMessage, k: FloatArray, d: FloatArray, model: str) -> CameraModel:
    """Return the camera of the published picture, from that of the whole sensor."""
    width, height = int(info.width), int(info.height)
    camera = CameraModel(width, height, k, d, model)
    roi = info.roi
    # An empty region is the whole picture.
    if roi.width and roi.height:
        right, bottom = roi.x_offset + roi.width, roi.y_offset + roi.height
        if right > (width or right) or bottom > (height or bottom):
            raise ValueError(
                f'the region of interest, {roi.width} x {roi.height} at {roi.x_offset}, '
                f'{roi.y_offset}, is not within the {width} x {height} pixels of the sensor'
            )
        if (roi.width, roi.height) != (width, height):
            camera = camera.cropped(roi.x_offset, roi.y_offset, int(roi.width), int(roi.height))
    if info.binning_x > 1 or info.binning_y > 1:
        camera = camera.binned(max(info.binning_x, 1), max(info.binning_y, 1))
    return camera


Reader = Callable[[CameraInfoMessage], CameraModel | None]
NOT_CALIBRATED = _NONE, _ZERO = 'no camera_info', 'not calibrated (K is zero)'
"""The states of a Calibration that are no mistake."""
_UNUSABLE = 'unusable camera_info: '


class Calibration:
    """
    The newest CameraInfo of a camera, and what is wrong with it.

    ``state`` is 'calibrated' or says why there is no camera. A CameraInfo may change at any time.
    """

    def __init__(self, read: Reader = camera_from_info) -> None:
        """Start without any; ``read`` is rectified_camera_from_info for rectified images."""
        self.state = _NONE
        self._read = read
        self._published: CameraModel | None = None  # sizes of 0 are filled in by an image
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
            *(bytes(memoryview(values)) for values in (info.d, info.k, info.r, info.p)),
        )
        if content == self._content:
            return
        self._content = content
        try:
            self._camera = self._published = self._read(info)
            self.state = 'calibrated' if self._camera else _ZERO
        except ValueError as error:
            self._camera = self._published = None
            self.state = f'{_UNUSABLE}{error}'

    def camera_for(self, width: int, height: int) -> CameraModel | None:
        """Return the camera of a picture of this size in pixels, None without calibration."""
        camera = self._camera
        if camera is None or (camera.width, camera.height) != (width, height):
            camera = self._fitting(width, height)
        if camera is not None:
            self._camera, self.state = camera, 'calibrated'
        return camera

    def _fitting(self, width: int, height: int) -> CameraModel | None:
        camera = self._published
        if camera is None:
            return None
        if camera.width not in (0, width) or camera.height not in (0, height):
            self.state = (
                f'camera_info is for {camera.width} x {camera.height} pixels, the image has '
                f'{width} x {height}'
            )
            return None
        try:
            return camera.fitting(width, height)
        except ValueError as error:
            self.state = f'{_UNUSABLE}{error}'
            return None

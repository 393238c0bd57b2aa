"""sensor_msgs/CameraInfo from calibration files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from sensor_msgs.msg import CameraInfo

from fsanet_ros.files.calibration_file import CalibrationData, CalibrationError


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

"""
Head poses from camera images: FSA-Net on the CPU, for ROS 2 and for notebooks.

The library (everything but ``fsanet_ros.ros`` and ``fsanet_ros.tools``) needs no ROS::

    import cv2
    from fsanet_ros import HeadPoseEstimator

    estimator = HeadPoseEstimator()
    for head in estimator.estimate(cv2.imread('people.jpg')):
        print(head.yaw_pitch_roll_deg)
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

# The messages (fsanet_ros.msg) are generated into the install tree: an import from the
# source tree finds them there too.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = '0.1.0'

if TYPE_CHECKING:
    from fsanet_ros.estimator import HeadPoseEstimator
    from fsanet_ros.geometry.camera import CameraModel
    from fsanet_ros.tracking.tracker import HeadTracker

__all__ = ['CameraModel', 'HeadPoseEstimator', 'HeadTracker', '__version__']

_HOMES = {
    'CameraModel': 'fsanet_ros.geometry.camera',
    'HeadPoseEstimator': 'fsanet_ros.estimator',
    'HeadTracker': 'fsanet_ros.tracking.tracker',
}


def __getattr__(name: str) -> Any:
    # Lazy, so that importing the messages alone does not load OpenCV and a runtime.
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ImportError as error:
        from fsanet_ros.files.optional_packages import advice

        raise ImportError(advice(error) or str(error), name=error.name) from error


def __dir__() -> list[str]:
    return __all__

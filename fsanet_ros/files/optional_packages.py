"""What to type when a package is missing that not everybody needs."""

from __future__ import annotations

# OpenCV comes as four packages on PyPI that overwrite each other, and from apt: the wheel requires
# none of them, so that the one that is installed stays.
_OPENCV = (
    'OpenCV is not installed: pip install opencv-python-headless '
    '(or opencv-python, to open windows)'
)
_EXTRAS = {
    'torch': 'torch',
    'safetensors': 'torch',
    'onnx': 'train',
    'h5py': 'train',
    'matplotlib': 'plots',
    'rosbags': 'bags',
    'av': 'video',
    'pyarrow': 'tables',
    'distributed': 'cluster',
    'argcomplete': 'completion',
    'viser': 'view',
    'websockets': 'view',
}
_ROS = ('rclpy', 'rcl_interfaces', 'ament_index_python', 'builtin_interfaces', 'std_srvs')


def advice(error: ImportError) -> str | None:
    """
    Say in one line what is missing and how to install it.

    :returns: None if the error is about something else
    """
    name = (error.name or '').partition('.')[0]
    if name == 'cv2':
        return _OPENCV
    if 'libGL' in str(error):
        return (
            f'OpenCV cannot be loaded ({error}): pip uninstall opencv-python, then '
            'pip install opencv-python-headless, which needs no display'
        )
    if 'numpy.core.multiarray' in str(error):
        return (
            'a package was built for NumPy 1, and NumPy 2 is installed (often OpenCV from apt '
            'beside NumPy from pip): pip install "numpy<2"'
        )
    if name in _EXTRAS:
        return f"{name} is not installed: pip install 'fsanet_ros[{_EXTRAS[name]}]'"
    if name in _ROS or name.endswith('_msgs') or error.name == 'fsanet_ros.msg':
        return (
            f'{error.name} is not installed, which comes with ROS 2 and a build of this package: '
            'source your workspace, or call ./run in a checkout'
        )
    return None

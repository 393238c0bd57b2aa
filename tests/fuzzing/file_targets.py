"""Files: calibrations, tables, pictures, weights, recordings, data sets."""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import fsanet_ros
from fsanet_ros.batch.head_arrays import ROW_WIDTH, FrameHeads
from fsanet_ros.demo import CLIP_POSES, read_poses
from fsanet_ros.files.calibration_file import CalibrationError
from fsanet_ros.files.onnx_files import with_free_size
from fsanet_ros.files.pictures import PictureError, decode_picture, size_of_picture
from fsanet_ros.files.untrusted import load_yaml
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.inference.description import METADATA_KEY, Description, WeightsError
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.research.datasets.csv_table import read_csv_table
from fuzzing.campaign import Target
from fuzzing.damage import Damaged
from fuzzing.message_targets import SEEDS_OF_PICTURES, WORDS_OF_PICTURES

_PACKAGE = Path(fsanet_ros.__file__).parent
_DEMO, _WEIGHTS = _PACKAGE / 'demo', _PACKAGE / 'inference' / 'weights'


@cache
def _folder() -> Path:
    """Return a folder in memory, if there is one, for files that have to be files."""
    memory = Path('/dev/shm')
    folder = Path(tempfile.mkdtemp(prefix='fuzz', dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _file(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(content)
    return path


# ---- YAML

_CALIBRATION = (_DEMO / 'clip_camera.yaml').read_bytes()
_YAML_WORDS = (
    b'&a',
    b'*a',
    b'!!python/object:x ',
    b'[',
    b'{',
    b'- ',
    b': ',
    b'.nan',
    b'1e-05',
    b'"',
)


def _check_calibration(content: bytes) -> None:
    path = _file('camera.yaml', content)
    try:
        camera = CameraModel.from_file(path)
    except CalibrationError as error:
        assert 'camera.yaml' in str(error) and len(str(error)) < 3000
        return
    assert np.isfinite(camera.k).all()


def _check_yaml(content: bytes) -> None:
    try:
        load_yaml(_file('settings.yaml', content))
    except ValueError as error:
        assert str(error)


# ---- tables

_POSES = b''.join(CLIP_POSES.read_bytes().splitlines(keepends=True)[:6])
_LABELS = (
    b'picture,yaw_deg,pitch_deg,roll_deg,left,top,right,bottom,group\n'
    b'a.jpg,1.5,-3,0,10,20,110,130,anna\nb.jpg,0,0,0,,,,,\n'
)
_TABLE_WORDS = (
    b',',
    b'"',
    b'\n',
    b'\r',
    b'\xff',
    b'nan',
    b'-inf',
    b'1e999',
    b'\0',
    b'\xef\xbb\xbf',
)


def _check_poses(content: bytes) -> None:
    try:
        read_poses(_file('poses.csv', content))
    except ValueError as error:
        assert 'poses.csv' in str(error)


def _check_labels(content: bytes) -> None:
    try:
        read_csv_table(_file('labels.csv', content))
    except ValueError as error:
        assert 'labels.csv' in str(error)


# ---- pictures


def _check_picture(content: bytes) -> None:
    size_of_picture(content)
    try:
        picture = decode_picture(np.frombuffer(content, np.uint8), max_pixels=100_000)
    except PictureError as error:
        assert str(error)
        return
    assert picture.dtype == np.uint8 and picture.shape[0] * picture.shape[1] <= 100_000


# ---- weights


@cache
def _description() -> bytes:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(_WEIGHTS / 'fsanet_1x1.onnx'))
    return bytes(session.get_modelmeta().custom_metadata_map[METADATA_KEY].encode())


def _check_description(content: bytes) -> None:
    text = content.decode('utf-8', 'replace')
    try:
        description = Description.from_metadata({METADATA_KEY: text}, Path('w.onnx'))
    except WeightsError as error:
        assert 'w.onnx' in str(error)
        return
    assert description.crop_scale > 0 and description.configs


def _check_onnx_fields(content: bytes) -> None:
    try:
        with_free_size(content)
    except ValueError as error:
        assert str(error)


def _check_onnx_weights(content: bytes) -> None:
    path = _file('weights.onnx', content)
    try:
        runtime = OnnxRuntime(path)
        runtime(np.zeros((1, 64, 64, 3), np.uint8))
    except WeightsError as error:
        assert 'weights.onnx' in str(error)


def _check_safetensors(content: bytes) -> None:
    from fsanet_ros.network.state_files import load_network

    path = _file('weights.safetensors', content)
    try:
        load_network(path)
    except WeightsError as error:
        assert 'weights.safetensors' in str(error)


# ---- recordings, results, data sets


@cache
def _heads() -> bytes:
    rows = np.arange(2.0 * ROW_WIDTH).reshape(2, ROW_WIDTH)
    number = np.arange(2)
    return FrameHeads(
        number=number,
        time_s=number * 0.1,
        stamp_ns=number,
        recorded_ns=number,
        size=np.array([[640, 480]] * 2),
        topic=number * 0,
        count=np.ones(2, np.int64),
        rows=rows,
        topics=('/image',),
        frame_ids=('camera',),
    ).to_bytes()


def _check_heads(content: bytes) -> None:
    try:
        FrameHeads.from_bytes(content)
    except ValueError as error:
        assert str(error)


@cache
def _bag() -> bytes:
    """Return a bag (MCAP) with a calibration and two images, one of them compressed."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from fsanet_ros.files.bags import empty_message, message_types

    store, folder = message_types(), _folder() / 'made'
    shutil.rmtree(folder, ignore_errors=True)
    with Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for kind in ('Image', 'CompressedImage', 'CameraInfo'):
            name = f'sensor_msgs/msg/{kind}'
            topic = '/c/camera_info' if kind == 'CameraInfo' else f'/{kind[:2].lower()}/image'
            message: Any = empty_message(store, name)
            if kind == 'Image':
                message.width, message.height, message.step = 8, 6, 24
                message.encoding, message.data = 'bgr8', np.zeros(8 * 6 * 3, np.uint8)
            elif kind == 'CompressedImage':
                message.data = np.frombuffer(SEEDS_OF_PICTURES[0], np.uint8)
            connection = writer.add_connection(topic, name, typestore=store)
            writer.write(connection, 1_000, store.serialize_cdr(message, name))
    return next(folder.glob('*.mcap')).read_bytes()


def _check_bag(content: bytes) -> None:
    from fsanet_ros.batch import bag_frames

    folder = _folder() / 'bag'
    folder.mkdir(exist_ok=True)
    path = folder / 'bag.mcap'
    path.write_bytes(content)
    try:
        for frame in bag_frames.frames(str(path), -float('inf'), float('inf'), ()):
            assert frame.image is not None or frame.problem
    except ValueError as error:
        assert 'bag.mcap' in str(error)


@cache
def _mat() -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    content = {
        'Pose_Para': np.array([[0.1, -0.2, 0.3, 1.0, 2.0, 3.0, 4.0]]),
        'pt2d': np.arange(42.0).reshape(2, 21) + 1.0,
        'pt3d_68': np.arange(204.0).reshape(3, 68),
    }
    savemat(stream, content)
    return stream.getvalue()


def _check_mat(contents: list[bytes]) -> None:
    from fsanet_ros.research.datasets.mat_files import read_aflw2000

    folder = _folder() / 'aflw'
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, content in enumerate(contents):
        (folder / f'image{number}.mat').write_bytes(content)
        (folder / f'image{number}.jpg').touch()
    try:
        read_aflw2000(folder)
    except ValueError as error:
        assert '.mat' in str(error)


_YAML_SEEDS = (_CALIBRATION, b'a: [1, {b: c}]\n')
_MAT = Damaged(lambda: [_mat()]).strategy()
_ONNX, _SAFETENSORS = (
    Damaged(cache(lambda path=_WEIGHTS / name: [path.read_bytes()]))
    for name in ('fsanet_1x1.onnx', 'fsanet_1x1.safetensors')
)
_MATS = st.lists(_MAT, min_size=20, max_size=20)  # for each, a process is started

TARGETS = [
    Target(
        'calibration files',
        Damaged(lambda: [_CALIBRATION], _YAML_WORDS),
        _check_calibration,
        200,
        0.3,
    ),
    Target('yaml', Damaged(lambda: _YAML_SEEDS, _YAML_WORDS), _check_yaml, 200, 0.3),
    Target('tables of poses', Damaged(lambda: [_POSES], _TABLE_WORDS), _check_poses, share=2.0),
    Target('tables of labels', Damaged(lambda: [_LABELS], _TABLE_WORDS), _check_labels, share=2.0),
    Target(
        'pictures', Damaged(lambda: SEEDS_OF_PICTURES, WORDS_OF_PICTURES), _check_picture, share=3.0
    ),
    Target(
        'descriptions of weights', Damaged(lambda: [_description()]), _check_description, share=2.0
    ),
    Target('fields of onnx files', _ONNX, _check_onnx_fields, 200, 0.1),
    Target('onnx weights', _ONNX, _check_onnx_weights, 20, 0.01),
    Target('safetensors weights', _SAFETENSORS, _check_safetensors, 20, 0.01),
    Target('results of jobs', Damaged(lambda: [_heads()]), _check_heads, share=2.0),
    Target('bags', Damaged(lambda: [_bag()]), _check_bag, 100, 0.1),
    Target('mat files', _MATS, _check_mat, 10, 0.002),
]

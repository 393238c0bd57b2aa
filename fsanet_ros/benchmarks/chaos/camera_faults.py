"""What cameras and drivers do."""

from __future__ import annotations

import time

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from fsanet_ros.benchmarks.chaos.faults import Fault
from fsanet_ros.benchmarks.chaos.world import FRAME, World

_HOUR_NS = 3600 * 10**9


def _restarts(world: World) -> None:
    for _ in range(3):
        world.camera.restart(lambda: world.spin(2.0))
        world.spin(1.0)


def _falls_silent(world: World) -> None:
    world.camera.on = False
    world.until(lambda: any('nothing comes' in text for text in world.said), 15.0)
    world.camera.on = True


def _changes_size(world: World) -> None:
    pictures = world.camera.pictures
    for width, height in ((320, 240), (1280, 720), (641, 479), (640, 480)):
        world.camera.pictures = [cv2.resize(p, (width, height)) for p in pictures]
        world.spin(1.0)
    world.camera.pictures = pictures


def _changes_encoding(world: World) -> None:
    for number in range(30):
        world.camera.encoding = ('bgr8', 'rgb8', 'mono8')[number % 3]
        world.spin(0.1)
    world.camera.encoding = 'bgr8'


def _rubbish(world: World) -> None:
    chance = np.random.default_rng(0)
    infos = world.ros.create_publisher(CameraInfo, 'camera_info', 10)
    end = time.monotonic() + 5.0
    while time.monotonic() < end:
        world.camera.publish(rubbish_image(chance))
        infos.publish(rubbish_info(chance))
        world.spin(0.005)
    world.ros.destroy_publisher(infos)


def rubbish_image(chance: np.random.Generator) -> Image:
    """Return an image of the right type in which nothing fits."""
    names = ('bgr8', 'mono16', '32FC1', 'bayer_rggb8', 'nv12', '', 'x' * 1000, 'yuv422')
    image = Image(
        width=int(chance.choice([0, 1, 7, 640, 2**32 - 1])),
        height=int(chance.choice([0, 1, 480, 2**31])),
        encoding=str(chance.choice(names)),
        step=int(chance.choice([0, 1, 1920, 2**32 - 1])),
        is_bigendian=int(chance.integers(0, 256)),
    )
    image.data.frombytes(chance.bytes(int(chance.choice([0, 1, 1000, 640 * 480 * 3]))))
    image.header.frame_id = str(chance.choice([FRAME, '', '/a//b', 'x' * 5000]))
    image.header.stamp.sec = int(chance.integers(-(2**31), 2**31))
    image.header.stamp.nanosec = int(chance.integers(0, 2**32))
    return image


def rubbish_info(chance: np.random.Generator) -> CameraInfo:
    """Return a calibration of the right type in which nothing fits."""

    def numbers(count: int) -> list[float]:
        return [float(v) for v in chance.choice([0.0, 1.0, -1.0, 1e300, np.nan, np.inf], count)]

    return CameraInfo(
        width=int(chance.choice([0, 640, 2**32 - 1])),
        height=int(chance.choice([0, 480])),
        distortion_model=str(chance.choice(['plumb_bob', '', 'fisheye', 'x' * 1000])),
        d=numbers(int(chance.choice([0, 4, 5, 8, 14, 1000]))),
        k=numbers(9),
        p=numbers(12),
        binning_x=int(chance.choice([0, 1, 2**32 - 1])),
    )


def _stamps_jump(world: World) -> None:
    for hours in (1, -1, 24 * 365, 0):
        world.camera.stamp_ns = lambda hours=hours: time.time_ns() + hours * _HOUR_NS  # type: ignore[misc]
        world.spin(1.5)
    world.camera.stamp_ns = time.time_ns


def _bag_loops(world: World) -> None:
    begin_ns = time.time_ns()
    world.camera.stamp_ns = lambda: begin_ns + (time.time_ns() - begin_ns) % (2 * 10**9)
    world.spin(9.0)
    world.camera.stamp_ns = time.time_ns


def _stamps_stand_still(world: World) -> None:
    world.camera.stamp_ns = lambda: 0
    world.until(lambda: any('stamps are all 0' in text for text in world.said), 10.0)
    world.camera.stamp_ns = time.time_ns


CAMERA_FAULTS = (
    Fault('restarts', 'the camera ends and starts again, three times', _restarts),
    Fault(
        'silence', 'the camera sends nothing for a while', _falls_silent, says=('nothing comes',)
    ),
    Fault('sizes', 'its resolution changes every second', _changes_size),
    Fault('encodings', 'its encoding changes with every image', _changes_encoding),
    Fault(
        'rubbish',
        'images and calibrations of the right type and no sense, up to 200 a second',
        _rubbish,
        says=('images are dropped', 'camera_info', 'stamps'),
    ),
    Fault('clock', 'stamps jump by an hour and a year, forth and back', _stamps_jump),
    Fault('loop', 'a recording starts again every two seconds', _bag_loops),
    Fault('no clock', 'all stamps are 0', _stamps_stand_still, says=('stamps are all 0',)),
)

"""
A small software renderer for heads of known pose, with NumPy and OpenCV only.

It makes the clip that ships with the package (``python3 -m fsanet_ros.tools.make_clip``), and any
number of heads with exact poses for tests and training::

    from fsanet_ros.geometry.camera import CameraModel
    from fsanet_ros.research.rendering import Appearance, Figure, HeadModel
    from fsanet_ros.research.rendering import blurred_room, compose, render_head

    person = Figure(HeadModel.load(), Appearance.random(seed=1))
    head = render_head(person, rotation_optical, position_m, CameraModel.pinhole(640, 480, 600.0))
    image = compose([head], blurred_room(640, 480))
    # head.square is the exact face square, head.landmarks_px the 68 landmarks.
"""

from fsanet_ros.research.rendering.appearance import Appearance, Lighting
from fsanet_ros.research.rendering.figure import Figure
from fsanet_ros.research.rendering.head_model import HeadModel
from fsanet_ros.research.rendering.scene import (
    RenderedHead,
    blurred_room,
    compose,
    face_square,
    render_head,
)

__all__ = [
    'Appearance',
    'Figure',
    'HeadModel',
    'Lighting',
    'RenderedHead',
    'blurred_room',
    'compose',
    'face_square',
    'render_head',
]

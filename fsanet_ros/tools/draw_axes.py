"""
Draw the angle convention for the documentation: a head turned by each angle, with its face frame.

It needs the head model (see ``fsanet_ros.research.rendering.head_model``).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fsanet_ros.arrays import FloatArray, Image
from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.research.rendering import Appearance, Figure, HeadModel, compose, render_head

Color = tuple[int, int, int]

# Everything is drawn twice as large and shrunk: OpenCV's text is rough otherwise.
_FINE = 2
_PANEL_PX = 330
_TITLE_PX = 64
_POSITION_M = np.array([0.0, -0.035, 1.1])
_AXIS_M = 0.13
_INK, _TURN, _WHITE = (45, 45, 45), (20, 120, 235), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_DUPLEX
# Name, color (BGR) and direction in the face frame of REP-155; drawn from the back to the front.
_AXES: tuple[tuple[str, Color, tuple[float, float, float]], ...] = (
    ('z', (220, 90, 30), (0.0, 0.0, 1.0)),
    ('y', (50, 160, 30), (0.0, 1.0, 0.0)),
    ('x', (40, 40, 220), (1.0, 0.0, 0.0)),
)


@dataclass(frozen=True)
class Panel:
    """
    One positive angle: a title, what one sees, and yaw, pitch, roll in degrees.

    A curved arrow shows the turn: part of an ellipse around the point at ``arc_at`` of an axis,
    with half axes in metres, between two angles in degrees, clockwise from the right.
    """

    title: str
    meaning: str
    angles_deg: tuple[float, float, float]
    arc_axis: str
    arc_at: float
    arc_size_m: tuple[float, float]
    arc_deg: tuple[float, float]


_PANELS = (
    Panel(
        title='yaw > 0',
        meaning="nose to the image's left",
        angles_deg=(40.0, 0.0, 0.0),
        arc_axis='z',
        arc_at=0.80,
        arc_size_m=(0.050, 0.017),
        arc_deg=(-25.0, 200.0),
    ),
    Panel(
        title='pitch > 0',
        meaning='looks up',
        angles_deg=(0.0, 32.0, 0.0),
        arc_axis='y',
        arc_at=0.80,
        arc_size_m=(0.017, 0.050),
        arc_deg=(65.0, 290.0),
    ),
    Panel(
        title='roll > 0',
        meaning='clockwise in the image',
        angles_deg=(0.0, 0.0, 30.0),
        arc_axis='x',
        arc_at=0.0,
        arc_size_m=(0.075, 0.075),
        arc_deg=(-160.0, -75.0),
    ),
)


def main(argv: list[str] | None = None) -> int:
    """Draw the picture from the command line."""
    parser = argparse.ArgumentParser(prog='draw_axes', description=__doc__)
    parser.add_argument('--model', type=Path, help='the head model, ict_face_model_light.npz')
    parser.add_argument('--output', type=Path, default=Path('docs/images/axes.png'))
    arguments = parser.parse_args(argv)
    try:
        model = HeadModel.load(arguments.model)
    except FileNotFoundError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(output), draw(model), [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        print(f'error: cannot write {output}', file=sys.stderr)
        return 1
    return 0


def draw(model: HeadModel) -> Image:
    """Return the three panels side by side, uint8 BGR."""
    figure = Figure(model, Appearance(shirt=(0.62, 0.64, 0.67)))
    panels = [_draw_panel(figure, panel) for panel in _PANELS]
    height, width = panels[0].shape[:2]
    size = (width * len(panels) // _FINE, height // _FINE)
    picture: Image = cv2.resize(np.hstack(panels), size, interpolation=cv2.INTER_AREA)
    return picture


def _draw_panel(figure: Figure, panel: Panel) -> Image:
    side = _PANEL_PX * _FINE
    camera = CameraModel.pinhole(side, side, 2.75 * side)
    rotation = rotations.matrix_from_yaw_pitch_roll_deg(panel.angles_deg)
    head = render_head(figure, rotation, _POSITION_M, camera, body_rotation=np.eye(3))
    # So much light that it is white.
    image = compose([head], np.full((side, side, 3), 2.0))
    origin = camera.project(_POSITION_M[None])[0]
    for name, color, direction in _AXES:
        axis = rotation @ rotations.HEAD_FROM_FACE @ direction * _AXIS_M
        tip = camera.project((axis + _POSITION_M)[None])[0]
        _arrow(image, origin, tip, color, 5 * _FINE)
        _letter(image, name, origin, tip, color)
        if name == panel.arc_axis:
            middle = camera.project((panel.arc_at * axis + _POSITION_M)[None])[0]
    half_axes = np.array(panel.arc_size_m) * camera.k[0, 0] / _POSITION_M[2]
    angle = np.radians(np.linspace(*panel.arc_deg, 50))[:, None]
    way = middle + half_axes * np.hstack([np.cos(angle), np.sin(angle)])
    _line(image, way[:-4], _TURN, 4 * _FINE)
    _arrow(image, way[-8], way[-1] + 0.7 * (way[-1] - way[-4]), _TURN, 4 * _FINE)
    header = np.full((_TITLE_PX * _FINE, side, 3), 255, np.uint8)
    _centered(header, panel.title, 26 * _FINE, 0.85 * _FINE, 2 * _FINE)
    _centered(header, panel.meaning, 52 * _FINE, 0.58 * _FINE, _FINE)
    return np.vstack([header, image])


def _line(image: Image, points: FloatArray, color: Color, width: int) -> None:
    # Four of the bits are fractions of a pixel.
    fixed = np.round(points * 16).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(image, [fixed], False, color, width, cv2.LINE_AA, 4)


def _arrow(image: Image, start: FloatArray, tip: FloatArray, color: Color, width: int) -> None:
    """Draw an arrow with a filled head; a dot where it points at the viewer."""
    along = tip - start
    length = float(np.linalg.norm(along))
    if length < 2.0 * width:
        center = (round(float(tip[0])), round(float(tip[1])))
        cv2.circle(image, center, round(1.3 * width), color, -1, cv2.LINE_AA)
        return
    along /= length
    across = np.array([-along[1], along[0]])
    base = tip - min(3.2 * width, length) * along
    _line(image, np.stack([start, base + along]), color, width)
    head = np.stack([tip, base + 1.4 * width * across, base - 1.4 * width * across])
    fixed = np.round(head * 16).astype(np.int32).reshape(-1, 1, 2)
    cv2.fillPoly(image, [fixed], color, cv2.LINE_AA, 4)


def _letter(image: Image, text: str, start: FloatArray, tip: FloatArray, color: Color) -> None:
    away = tip - start
    length = float(np.linalg.norm(away))
    if length < 20 * _FINE:
        # The name of an axis that points at the viewer goes beside the dot.
        away = np.array([-0.9, 0.9])
    elif text == 'x' and abs(away[1]) > abs(away[0]):
        # Where x points up or down it would hide z.
        away = np.array([-1.2, 0.0])
    else:
        away = away / length
    (width, height), _ = cv2.getTextSize(text, _FONT, 0.75 * _FINE, 2 * _FINE)
    x, y = tip + 14 * _FINE * away + np.array([-0.5, 0.35]) * (width, height)
    place = (round(float(x)), round(float(y)))
    spot = (round(float(x + 0.5 * width)), round(float(y - 0.35 * height)))
    cv2.circle(image, spot, 10 * _FINE, _WHITE, -1, cv2.LINE_AA)
    cv2.putText(image, text, place, _FONT, 0.75 * _FINE, color, 2 * _FINE, cv2.LINE_AA)


def _centered(image: Image, text: str, baseline: int, scale: float, width: int) -> None:
    (text_width, _), _ = cv2.getTextSize(text, _FONT, scale, width)
    place = ((image.shape[1] - text_width) // 2, baseline)
    cv2.putText(image, text, place, _FONT, scale, _INK, width, cv2.LINE_AA)


if __name__ == '__main__':
    sys.exit(main())

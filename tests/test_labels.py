"""Labels in pictures can be read: inside, apart, beside the lines, in a colour that stays."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsanet_ros.drawing import color_of, draw_heads, note_about
from fsanet_ros.drawing.heads import placed_labels
from fsanet_ros.drawing.labels import note_label, text_size
from fsanet_ros.drawing.lines import lines_of
from fsanet_ros.drawing.words import direction_words
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import (
    lean_deg,
    matrix_from_yaw_pitch_roll_deg,
    rotation_to_ray,
)
from fsanet_ros.types import Box, Face, Head, Square


def head(x=80.0, y=60.0, side=40.0, pose=(20, 10, 5), position=None, error_deg=None):
    box = Box(x, y, side, side * 1.2)
    covariance = None if error_deg is None else np.eye(3) * math.radians(error_deg) ** 2 / 3
    position = None if position is None else np.array(position, float)
    rotation = np.asarray(pose, float)
    rotation = matrix_from_yaw_pitch_roll_deg(rotation) if rotation.ndim == 1 else rotation
    return Head(Face(box, 0.9, Square(*box.center, side)), rotation, position, covariance)


angle = st.floats(-180, 180)
heads_anywhere = st.lists(
    st.builds(
        head,
        x=st.floats(-100, 900),
        y=st.floats(-100, 700),
        side=st.floats(4, 400),
        pose=st.tuples(angle, angle, angle),
        error_deg=st.none() | st.floats(0.1, 29),
    ),
    max_size=12,
)
sizes = st.sampled_from([(640, 480), (320, 240), (1280, 720), (200, 90), (40, 30), (1, 1)])


@settings(max_examples=80)
@given(heads=heads_anywhere, size=sizes, note=st.sampled_from(['', 'nobody in view']))
def test_labels_are_inside_apart_and_beside_all_lines(heads, size, note):
    width, height = size
    named = [(f'h{i + 1}', one) for i, one in enumerate(heads)]
    lines = [lines_of(one, None, 0.12) for one in heads]
    places = [label.place for label in placed_labels(named, lines, width, height, note) if label]
    if written := note_label(note, width, height):
        places.append(written[0].place)
    for place in places:
        assert 0 <= place.left < place.right <= width
        assert 0 <= place.top < place.bottom <= height
    for i, a in enumerate(places):
        for b in places[:i]:
            assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top
    for place in places[: len(places) - bool(written)]:
        for of_head in lines:
            for end in (*of_head.axes[1:], of_head.nose[1]):
                assert not crosses(place, of_head.axes[0], end)
            if of_head.ring is not None:
                closed = np.roll(of_head.ring, 1, axis=0)
                assert not any(
                    crosses(place, a, b) for a, b in zip(of_head.ring, closed, strict=True)
                )


def crosses(place, start, end):
    """Whether a line touches a rectangle, by clipping (Liang and Barsky)."""
    near, far = 0.0, 1.0
    limits = ((place.left, place.right), (place.top, place.bottom))
    for (low, high), a, b in zip(limits, start, end, strict=True):
        if a == b:
            if not low <= a <= high:
                return False
            continue
        first, last = sorted(((low - a) / (b - a), (high - a) / (b - a)))
        near, far = max(near, first), min(far, last)
    return near <= far


def test_one_head_alone_is_always_labelled_in_full():
    for x, y in ((0, 0), (600, 0), (0, 440), (600, 440), (300, 200), (-20, 200), (620, 200)):
        for yaw in (-85, -40, 0, 40, 85):
            one = head(x, y, pose=(yaw, 10, 0), error_deg=4)
            (label,) = placed_labels([('h1', one)], [lines_of(one, None, 0.12)], 640, 480, '')
            assert label is not None and label.text == f'h1  {direction_words(one)}'


def test_a_crowd_keeps_its_names():
    heads = [head(20 + 100 * (i % 6), 20 + 100 * (i // 6), 60, error_deg=5) for i in range(24)]
    named = [(f'h{i}', one) for i, one in enumerate(heads)]
    lines = [lines_of(one, None, 0.12) for one in heads]
    labels = placed_labels(named, lines, 640, 480, '')
    texts = [label.text for label in labels if label]
    assert len(texts) >= 22
    assert all(text.startswith('h') for text in texts)


def test_a_label_is_drawn_where_it_was_placed():
    image = np.full((480, 640, 3), 200, np.uint8)
    one = head(300, 200)
    (label,) = placed_labels([('h1', one)], [lines_of(one, None, 0.12)], 640, 480, '')
    drawn = draw_heads(image, [('h1', one)])
    place = label.place
    ground = drawn[place.top : place.bottom, place.left : place.right]
    assert (ground == 50).mean() > 0.5 and (ground[..., 0] > 150).any()
    assert label.place.right - label.place.left == text_size(label.text, 0.42)[0]


def test_colours_belong_to_ids():
    ids = [f'h{i}' for i in range(1, 9)]
    assert len({color_of(one) for one in ids}) == 8
    assert [color_of(one) for one in ids] == [color_of(one) for one in ids]
    assert color_of('ha1') != color_of('hb1')
    for odd in ('', 'Alex', '7', 'h' * 300, 'h99999999999999999999', 'Zoë', 'a\nb', '\udcff'):
        assert len(color_of(odd)) == 3


@pytest.mark.parametrize('yaw', [-89.9, -85, -40, 0, 40, 85, 89.9])
def test_an_upright_head_is_upright_in_profile_too(yaw):
    assert lean_deg(matrix_from_yaw_pitch_roll_deg((yaw, 0, 0))) == pytest.approx(0, abs=1e-6)


def test_a_head_that_nods_in_profile_is_not_said_to_roll():
    # An upright head of pan 95 degrees, raised by 5: Euler angles read pitch near 180 there.
    pan, tilt = np.radians((95.0, 5.0))
    turn = matrix_from_yaw_pitch_roll_deg((0, 0, 0))
    cos_p, sin_p, cos_t, sin_t = np.cos(pan), np.sin(pan), np.cos(tilt), np.sin(tilt)
    about_y = np.array([[cos_p, 0, sin_p], [0, 1, 0], [-sin_p, 0, cos_p]])
    about_x = np.array([[1, 0, 0], [0, cos_t, sin_t], [0, -sin_t, cos_t]])
    text = direction_words(head(pose=about_y @ about_x @ turn))
    assert text.replace('°', '').split() == ['left', '95', 'up', '5', 'lean', '0']


@pytest.mark.parametrize('roll', [-30, 0, 30])
def test_lean_is_roll_for_a_level_face(roll):
    for yaw in (-60, 0, 60):
        rotation = matrix_from_yaw_pitch_roll_deg((yaw, 0, 0)) @ matrix_from_yaw_pitch_roll_deg(
            (0, 0, roll)
        )
        assert lean_deg(rotation) == pytest.approx(roll, abs=1e-6)


def test_a_nose_straight_up_has_no_lean():
    assert math.isnan(lean_deg(matrix_from_yaw_pitch_roll_deg((0, 90, 0))))
    assert 'lean' not in direction_words(head(pose=(0, 90, 0)))


def test_who_looks_into_the_camera_reads_zero_wherever_they_are():
    for position in ((0, 0, 1.0), (0.8, 0.1, 1.0), (-0.5, -0.4, 0.7)):
        one = head(pose=rotation_to_ray(position), position=position, error_deg=3)
        words = direction_words(one).replace('°', '').split()
        assert words[:4] == ['left', '0', 'up', '0']
        assert words[-1] in ('±3', '+-3')


def test_the_ring_holds_two_thirds_of_the_directions():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(3, 3)) * 0.05
    covariance = factor @ factor.T
    box = Box(200, 200, 100, 100)
    one = Head(
        Face(box, 0.9, Square(250, 250, 100)),
        matrix_from_yaw_pitch_roll_deg((30, 10, 0)),
        rotation_covariance_rad2=covariance,
    )
    lines = lines_of(one, None, 0.12)
    nose = one.nose_direction
    errors = rng.multivariate_normal(np.zeros(3), covariance, 4000)
    # Small errors: what they do to the direction is linear.
    length = np.linalg.norm(lines.nose[1] - lines.nose[0]) / np.linalg.norm(nose[:2])
    tips = lines.nose[0] + length * (nose + np.cross(errors, nose))[:, :2]
    ring = lines.ring.astype(np.float32)
    inside = [cv2.pointPolygonTest(ring, tuple(map(float, tip)), False) > 0 for tip in tips]
    assert np.mean(inside) == pytest.approx(2 / 3, abs=0.03)


def test_what_points_at_the_camera_from_nearby_has_an_arrow():
    camera = CameraModel.pinhole(640, 480, 500.0)
    one = head(pose=(0, 0, 0), position=(0.02, 0, 0.2), error_deg=5)
    lines = lines_of(one, camera, 0.12)
    assert np.isfinite(lines.nose).all() and np.abs(lines.nose).max() < 2000


def test_pictures_say_why_they_are_empty():
    rng = np.random.default_rng(1)
    usual = rng.integers(0, 255, (480, 640, 3), np.uint8)
    assert note_about(usual, 1) == ''
    assert note_about(usual, 0) == 'nobody in view'
    assert note_about(usual // 20, 0) == 'nobody in view: the picture is dark'
    assert 'no contrast' in note_about(np.full_like(usual, 150), 0)
    assert note_about(usual, 2, calibrated=False) == 'no calibration: no positions'
    assert note_about(usual, 0, calibrated=False) == 'nobody in view, no calibration'
    assert note_about(np.zeros((1, 1, 3), np.uint8), 0)


def test_the_note_is_in_the_picture_and_fits():
    image = np.full((480, 640, 3), 128, np.uint8)
    drawn = draw_heads(image, [], note='nobody in view')
    changed = np.argwhere((drawn != image).any(axis=2))
    assert len(changed) and changed[:, 0].min() > 440 and changed[:, 1].max() < 200
    for width in (640, 100, 60, 20, 5, 1):
        found = note_label('nobody in view: the picture is dark', width, 480)
        assert found is None or found[0].place.right <= width
    assert note_label('nobody in view', 160, 120) is not None

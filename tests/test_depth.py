"""Distances from depth images: right on faces, silent where they say nothing of the face."""

from pathlib import Path

import numpy as np
import pytest

from fsanet_ros.depth import too_coarse, with_depth
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import SKIN_M, SKIN_NORMALS
from fsanet_ros.geometry.position import position_covariance_m2
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.types import Box, Face, Head, Square

MODEL_PATH = Path(__file__).parents[2] / 'shared/data/ict_facekit/ict_face_model_light.npz'
CAMERA = CameraModel.pinhole(640, 480, 600.0)
POSITION = np.array([0.2, -0.1, 1.2])
WALL_M = 3.0

# A head for tests without the renderer: an ellipsoid through the sellion, which bulges where a
# face does. Its surface is up to 2 cm off the mean head's.
MIDDLE_M, HALF_AXES_M = np.array([0.0, 0.012, 0.095]), np.array([0.075, 0.105, 0.0955])


def ellipsoid_depth(rotation=None, position=POSITION, camera=CAMERA, wall=WALL_M):
    """Return what a depth camera sees of the ellipsoid before a wall, float32 [h, w], metres."""
    rotation = np.eye(3) if rotation is None else rotation
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = camera.rays(np.column_stack([x.ravel(), y.ravel()]))
    rays = rays / rays[:, 2:]
    # |(R^T (z ray - position) - middle) / axes| = 1, quadratic in z.
    direction = rays @ rotation / HALF_AXES_M
    start = (-(rotation.T @ position) - MIDDLE_M) / HALF_AXES_M
    a, b, c = (direction**2).sum(axis=1), direction @ start, start @ start - 1.0
    root = b * b - a * c
    z = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, wall)
    return z.reshape(camera.height, camera.width).astype(np.float32)


def head(rotation=None, position=POSITION, scale=1.0):
    """Return a head whose distance from its size is off by a factor."""
    x, y = CAMERA.project(position[None])[0]
    side = 0.2 * 600.0 / position[2]
    face = Face(Box(x - side / 2, y - side / 2, side, side), 1.0, Square(x, y, side))
    rotation = np.eye(3) if rotation is None else rotation
    return Head(face, rotation, position * scale)


def millimetres(depth):
    return np.round(np.nan_to_num(depth) * 1000).astype(np.uint16)


@pytest.mark.parametrize('scale', [0.75, 1.0, 1.3])
@pytest.mark.parametrize('convert', [np.float32, millimetres, lambda d: d.astype('>f4')])
def test_distance_is_that_of_the_depth_image(scale, convert):
    before = head(scale=scale)
    after = with_depth(before, convert(ellipsoid_depth()), CAMERA)
    assert after.distance_from_depth and not before.distance_from_depth
    assert after.position_m[2] == pytest.approx(POSITION[2], abs=0.012)
    # The direction and all else stay.
    assert np.allclose(after.position_m / after.position_m[2], POSITION / POSITION[2])
    assert after.face is before.face and after.rotation_optical is before.rotation_optical


@pytest.mark.parametrize('yaw', [-60, -30, 30, 60])
def test_turned_heads_keep_their_distance(yaw):
    rotation = matrix_from_yaw_pitch_roll_deg([yaw, 10, 5])
    after = with_depth(head(rotation), ellipsoid_depth(rotation), CAMERA)
    assert after.position_m[2] == pytest.approx(POSITION[2], abs=0.02)


def test_depth_is_along_the_axis_not_along_the_ray():
    # 25 degrees off the axis, range is 10 % more than depth.
    camera = CameraModel.pinhole(1280, 480, 600.0)
    position = np.array([0.7, 0.1, 1.5])
    depth = ellipsoid_depth(position=position, camera=camera)
    after = with_depth(head(position=position), depth, camera)
    assert after.position_m == pytest.approx(position, rel=0.01)


@pytest.mark.parametrize('size', [(320, 240), (1280, 960), (640, 240)])
def test_depth_image_may_have_another_resolution(size):
    width, height = size
    rows = (np.arange(height) * 480 // height)[:, None]
    columns = np.arange(width) * 640 // width
    after = with_depth(head(scale=1.15), ellipsoid_depth()[rows, columns], CAMERA)
    assert after.position_m[2] == pytest.approx(POSITION[2], abs=0.012)


def test_holes_and_invalid_values_are_left_out():
    depth = ellipsoid_depth()
    spoilt = np.random.default_rng(0).random(depth.shape) < 0.25
    kinds = np.random.default_rng(1).integers(0, 4, depth.shape)
    values = np.array([0.0, np.nan, np.inf, -np.inf], np.float32)
    after = with_depth(head(scale=1.1), np.where(spoilt, values[kinds], depth), CAMERA)
    assert after.position_m[2] == pytest.approx(POSITION[2], abs=0.015)


def region(depth, value, share=1.0):
    """Put a value over the upper share of the face."""
    x, y = CAMERA.project(POSITION[None])[0].astype(int)
    changed = depth.copy()
    top = y - 30
    changed[top : top + int(70 * share), x - 60 : x + 60] = value
    return changed


@pytest.mark.parametrize(
    'depth',
    [
        pytest.param(np.zeros((480, 640), np.float32), id='zeros'),
        pytest.param(np.zeros((480, 640), np.uint16), id='zeros in millimetres'),
        pytest.param(np.full((480, 640), np.nan, np.float32), id='NaN'),
        pytest.param(np.full((480, 640), 65535, np.uint16), id='out of range'),
        pytest.param(np.full((480, 640), 3.0, np.float32), id='only background'),
        pytest.param(region(ellipsoid_depth(), 0.5), id='something near in front'),
        pytest.param(ellipsoid_depth() * 0.5, id='only something near'),
        pytest.param(region(ellipsoid_depth(), 0.0, 0.6), id='mostly holes'),
        pytest.param(region(ellipsoid_depth(), 0.9, 0.5), id='half behind a hand'),
        pytest.param(np.zeros((1, 1), np.uint16), id='one pixel'),
        pytest.param(np.zeros((0, 0), np.uint16), id='no pixel'),
    ],
)
def test_what_is_not_the_face_changes_nothing(depth):
    before = head()
    assert with_depth(before, depth, CAMERA) is before


def test_nothing_is_measured_beyond_what_depth_cameras_see():
    for distance_m, measured in ((19.0, True), (21.0, False)):
        position = np.array([0.0, 0.0, distance_m])
        depth = np.full((480, 640), distance_m, np.float32)
        after = with_depth(head(position=position), depth, CAMERA)
        assert after.distance_from_depth is measured


def test_nothing_is_measured_of_heads_whose_place_is_unknown_or_not_in_view():
    nowhere = Head(head().face, np.eye(3))
    beside = Head(head().face, np.eye(3), np.array([1.0, 0.0, -0.1]))
    outside = Head(head().face, np.eye(3), np.array([2.0, 0.0, 1.2]))
    unknown = Head(head().face, np.eye(3), np.full(3, np.nan))
    for before in (nowhere, beside, outside, unknown):
        assert with_depth(before, ellipsoid_depth(), CAMERA) is before


def test_wrong_arrays_are_refused():
    for wrong in (np.zeros((480, 640, 1), np.uint16), np.zeros((480, 640), np.uint8)):
        with pytest.raises(ValueError, match='expected depth as uint16 or float32'):
            with_depth(head(), wrong, CAMERA)


@pytest.mark.parametrize('size', [(1, 1), (0, 0), (16, 12)])
def test_depth_images_too_coarse_for_faces_are_named(size):
    depth = np.full(size[::-1], POSITION[2], np.float32)
    assert f'has {size[0]} x {size[1]} pixels, the image 640 x 480' in too_coarse(depth, CAMERA)
    assert not too_coarse(np.zeros((60, 80), np.float32), CAMERA)


def test_a_face_that_is_a_few_depth_pixels_is_not_measured():
    depth = np.full((15, 20), POSITION[2], np.float32)
    assert not with_depth(head(), depth, CAMERA).distance_from_depth


@pytest.mark.filterwarnings('error')
def test_signalling_nan_is_no_depth():
    depth = np.full((480, 640), 0x7F800001, np.uint32).view(np.float32)
    assert not with_depth(head(), depth, CAMERA).distance_from_depth


def test_distance_becomes_surer_and_direction_stays():
    before = head()
    after = with_depth(before, ellipsoid_depth(), CAMERA)
    ray = POSITION / np.linalg.norm(POSITION)
    guessed = position_covariance_m2(POSITION, before.face.square.side)
    measured = after.position_covariance_m2
    assert np.sqrt(ray @ measured @ ray) < 0.1 * np.sqrt(ray @ guessed @ ray)
    aside = np.cross(ray, [0.0, 1.0, 0.0])
    assert aside @ measured @ aside == pytest.approx(aside @ guessed @ aside, rel=0.05)
    assert (np.linalg.eigvalsh(measured) > 0).all()
    # What was known of the direction is kept.
    given = Head(before.face, np.eye(3), POSITION, position_covariance_m2=4.0 * np.eye(3))
    kept = with_depth(given, ellipsoid_depth(), CAMERA).position_covariance_m2
    assert aside @ kept @ aside == pytest.approx(4.0 * aside @ aside)


@pytest.mark.parametrize(('distance_m', 'sigma_m'), [(0.6, 0.00911), (1.2, 0.01068), (3.0, 0.0371)])
def test_how_sure_a_measured_distance_is(distance_m, sigma_m):
    # 9 mm of the face's relief, and 4 mm times the square of the distance of the camera's.
    position = np.array([0.0, 0.0, distance_m])
    after = with_depth(
        head(position=position), ellipsoid_depth(position=position, wall=9.0), CAMERA
    )
    assert np.sqrt(after.position_covariance_m2[2, 2]) == pytest.approx(sigma_m, rel=0.01)


@pytest.mark.parametrize('border', [(-0.62, 0.0), (0.62, 0.0), (0.0, -0.47), (0.0, 0.47)])
def test_a_face_at_a_border_of_the_depth_image_is_measured_where_it_is_seen(border):
    # Two millimetres are a pixel.
    for way in np.arange(20) * 0.002:
        position = np.array([*border, 1.2]) * (1.0 + way, 1.0 + way, 1.0)
        after = with_depth(head(position=position), ellipsoid_depth(position=position), CAMERA)
        assert after.distance_from_depth
        assert after.position_m[2] == pytest.approx(1.2, abs=0.02)


def test_far_distances_are_less_sure():
    sigmas = []
    for distance in (0.6, 1.2, 2.4):
        position = np.array([0.0, 0.0, distance])
        after = with_depth(head(position=position), ellipsoid_depth(position=position), CAMERA)
        sigmas.append(np.sqrt(after.position_covariance_m2[2, 2]))
    assert sigmas[0] < sigmas[1] < sigmas[2]


def test_skin_normals_are_unit_vectors_out_of_the_face():
    assert np.allclose(np.linalg.norm(SKIN_NORMALS, axis=1), 1.0, atol=0.02)
    outwards = SKIN_M - (0.0, 0.03, 0.09)
    assert (np.einsum('ij,ij->i', outwards, SKIN_NORMALS) > 0).all()


@pytest.mark.skipif(not MODEL_PATH.is_file(), reason=f'no head model at {MODEL_PATH}')
def test_errors_on_rendered_people_are_as_stated():
    from fsanet_ros.research.rendering import Appearance, Figure, HeadModel
    from fsanet_ros.research.rendering.rasterizer import rasterize
    from fsanet_ros.research.rendering.scene import following_body

    model, random = HeadModel.load(MODEL_PATH), np.random.default_rng(11)
    off_sigmas = []
    for number in range(48):
        if number % 8 == 0:
            identity = random.normal(0, 1, model.identity_count)
            figure = Figure(model, Appearance(), identity, sky_directions=0)
        yaw, pitch, roll = random.uniform([-75, -30, -30], [75, 30, 30])
        rotation = matrix_from_yaw_pitch_roll_deg([yaw, pitch, roll])
        position = random.uniform(0.5, 2.5) * np.array([*random.uniform(-0.25, 0.25, 2), 1.0])
        vertices = figure.vertices(rotation, position, following_body(rotation))
        pixels = CAMERA.project(vertices) - 0.5
        drawn = rasterize(pixels, 1.0 / vertices[:, 2], figure.triangles, 640, 480)
        depth = np.full(640 * 480, position[2] + 1.5)
        depth[drawn.pixel] = 1.0 / drawn.nearness
        # A stereo camera's errors, alike in all of the face.
        depth += random.normal(0, 0.004) * depth**2
        turned = rotation @ matrix_from_yaw_pitch_roll_deg(random.normal(0, 4, 3))
        scale = np.exp(random.normal(0, 0.13))
        after = with_depth(
            head(turned, position, scale), millimetres(depth.reshape(480, 640)), CAMERA
        )
        assert after.distance_from_depth
        sigma = np.sqrt(after.position_covariance_m2[2, 2])
        off_sigmas.append((after.position_m[2] - position[2]) / sigma)
    assert np.abs(off_sigmas).max() < 4.0
    assert 0.5 < np.sqrt(np.mean(np.square(off_sigmas))) < 1.5


# The message


def depth_message(depth, encoding, padding=0, *, big=False):
    message = pytest.importorskip('sensor_msgs.msg').Image(
        height=depth.shape[0], width=depth.shape[1], encoding=encoding, is_bigendian=int(big)
    )
    stored = depth.astype(depth.dtype.newbyteorder('>' if big else '<'))
    rows = stored.view(np.uint8).reshape(len(depth), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message.step = rows.shape[1]
    message.data.frombytes(rows.tobytes())
    return message


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(
    ('encoding', 'dtype'), [('16UC1', np.uint16), ('mono16', np.uint16), ('32FC1', np.float32)]
)
def test_depth_messages_are_read_without_a_copy(encoding, dtype, padding, big):
    images = pytest.importorskip('fsanet_ros.ros.input.depth_images')
    depth = np.array([[0, 1, 258], [4000, 5000, 65000]]).astype(dtype)
    message = depth_message(depth, encoding, padding, big=big)
    read = images.depth_from_image(message)
    assert read.tolist() == depth.tolist()
    assert read.dtype.newbyteorder('=') == dtype
    assert not read.flags.writeable
    assert np.shares_memory(read, np.frombuffer(message.data, np.uint8))


def test_depth_messages_feed_the_distance():
    images = pytest.importorskip('fsanet_ros.ros.input.depth_images')
    depth = ellipsoid_depth()
    for message in (
        depth_message(millimetres(depth), '16UC1', 5, big=True),
        depth_message(depth, '32FC1', 7),
    ):
        after = with_depth(head(), images.depth_from_image(message), CAMERA)
        assert after.position_m[2] == pytest.approx(POSITION[2], abs=0.012)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'encoding': 'rgb8'}, "encoding is 'rgb8'; supported are 16UC1, mono16, 32FC1"),
        ({'width': 0}, '0 x 2 pixels'),
        ({'step': 3}, 'step is 3 bytes; a row of 3 pixels in 16UC1 has 6'),
        ({'height': 3}, 'ends after 12 bytes'),
    ],
)
def test_broken_depth_messages_are_explained(changes, reason):
    images = pytest.importorskip('fsanet_ros.ros.input.depth_images')
    from fsanet_ros.files.image_layout import ImageError

    message = depth_message(np.zeros((2, 3), np.uint16), '16UC1')
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ImageError, match=reason):
        images.depth_from_image(message)

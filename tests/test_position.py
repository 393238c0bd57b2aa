"""Where a head is: known heads seen through known cameras come back to where they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import FIVE_POINTS_M, LANDMARKS_68_M, OUTER_LANDMARKS_M
from fsanet_ros.geometry.position import (
    poses_in_camera,
    position_covariance_m2,
    rotation_in_camera,
    rotations_in_camera,
    sellion_position_m,
    sellion_positions_m,
)
from fsanet_ros.geometry.rotations import (
    geodesic_deg,
    matrix_from_yaw_pitch_roll_deg,
    mirrored,
    rotation_to_ray,
    yaw_pitch_roll_deg_from_matrix,
)
from fsanet_ros.inference.description import Description
from fsanet_ros.types import Box, Face, Square

K = np.array([[900.0, 0.0, 639.5], [0.0, 900.0, 359.5], [0.0, 0.0, 1.0]])
CAMERAS = {
    'pinhole': CameraModel(1280, 720, K, np.zeros(0)),
    'barrel': CameraModel(1280, 720, K, np.array([-0.3, 0.1, 0.001, -0.0005, -0.01])),
    'fisheye': CameraModel(1280, 720, K, np.array([0.02, -0.01, 0.004, -0.001]), 'equidistant'),
}

positions = st.tuples(st.floats(0.4, 4.0), st.floats(-35, 35), st.floats(-20, 20)).map(
    lambda p: p[0] * np.array([np.tan(np.radians(p[1])), np.tan(np.radians(p[2])), 1.0])
)
poses = st.tuples(st.floats(-80, 80), st.floats(-35, 35), st.floats(-40, 40))
any_camera = st.sampled_from(sorted(CAMERAS))


def seen(camera, rotation, position, *, landmarks=True):
    """Return the face of the mean head as an exact detector would report it."""
    pixels = camera.project(LANDMARKS_68_M @ rotation.T + position)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    side = np.sqrt(2.0) * (high - low).max()
    points = camera.project(FIVE_POINTS_M @ rotation.T + position) if landmarks else None
    return Face(
        Box(*low.tolist(), *(high - low).tolist()),
        1.0,
        Square(*((low + high) / 2).tolist(), float(side)),
        points,
    )


@settings(max_examples=150, deadline=None)
@given(any_camera, positions, poses)
def test_head_with_landmarks_is_found_where_it_is(name, position, pose):
    rotation = matrix_from_yaw_pitch_roll_deg(pose)
    face = seen(CAMERAS[name], rotation, position)
    found = sellion_position_m(face.square, face.landmarks, rotation, CAMERAS[name])
    assert np.linalg.norm(found - position) < 0.005 * np.linalg.norm(position)


@settings(max_examples=150, deadline=None)
@given(any_camera, positions, poses)
def test_head_is_found_from_its_square_alone(name, position, pose):
    rotation = matrix_from_yaw_pitch_roll_deg(pose)
    face = seen(CAMERAS[name], rotation, position, landmarks=False)
    found = sellion_position_m(face.square, face.landmarks, rotation, CAMERAS[name])
    axis = position / np.linalg.norm(position)
    off = found - position
    assert abs(off @ axis) < 0.015 * np.linalg.norm(position)
    assert np.linalg.norm(off - (off @ axis) * axis) < 0.005


# The relative error of the distance, of half of the heads and of all. Nearer than an arm's length,
# a square says less of where the landmarks are that it was made of.
@pytest.mark.parametrize(
    ('landmarks', 'distance_m', 'median', 'most'),
    [
        (False, 0.2, 0.0037, 0.07),
        (False, 0.3, 0.0016, 0.025),
        (False, 0.4, 0.0009, 0.015),
        (False, 1.0, 0.00017, 0.003),
        (True, 0.2, 0.0005, 0.001),
        (True, 1.0, 0.00001, 0.0001),
    ],
)
def test_distances_of_exact_squares_and_landmarks_are_exact(landmarks, distance_m, median, most):
    random = np.random.default_rng(0)
    off = []
    for camera in CAMERAS.values():
        aside = np.tan(np.radians(random.uniform((-35, -20), (35, 20), (100, 2))))
        places = distance_m * np.column_stack([aside, np.ones(100)])
        rotations = matrix_from_yaw_pitch_roll_deg(
            random.uniform((-80, -35, -40), (80, 35, 40), (100, 3))
        )
        faces = [
            seen(camera, rotation, place, landmarks=landmarks)
            for rotation, place in zip(rotations, places, strict=True)
        ]
        squares, points = [face.square for face in faces], [face.landmarks for face in faces]
        found = sellion_positions_m(squares, points, rotations, camera)
        # So near, a few reach beyond the end of a distortion model.
        whole = np.isfinite(found[:, 2])
        assert whole.sum() >= 85
        ratios = np.einsum('ij,ij->i', found, places) / (places**2).sum(axis=1)
        off += (ratios[whole] - 1.0).tolist()
    assert np.median(np.abs(off)) < median
    assert np.max(np.abs(off)) < most


# A lens of 220 degrees: 1.92 rad * 300 pixels fill half of the picture.
FISHEYE_220 = CameraModel(
    1200,
    1200,
    np.array([[300.0, 0, 599.5], [0, 300.0, 599.5], [0, 0, 1]]),
    np.array([0.01, -0.006, 0.001, -0.0001]),
    'equidistant',
)


def on_all_sides(angle_deg, side_deg, distance_m):
    angle, side = np.radians(angle_deg), np.radians(side_deg)
    aside = np.sin(angle)
    return distance_m * np.array([aside * np.cos(side), aside * np.sin(side), np.cos(angle)])


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 105), st.floats(0, 360), st.floats(0.5, 4.0), poses, st.booleans())
def test_heads_beside_and_behind_a_wide_fisheye_are_found(angle, side, distance, pose, landmarks):
    position = on_all_sides(angle, side, distance)
    in_crop = matrix_from_yaw_pitch_roll_deg(pose)
    rotation = rotation_to_ray(position) @ in_crop
    face = seen(FISHEYE_220, rotation, position, landmarks=landmarks)
    turned = rotation_in_camera(in_crop, face.square, FISHEYE_220)
    # The middle of the face square is not the sellion: some degrees when near.
    assert geodesic_deg(turned, rotation) < 30.0 * 0.2 / distance
    found = sellion_position_m(face.square, face.landmarks, rotation, FISHEYE_220)
    assert np.linalg.norm(found - position) < 0.025 * distance


def test_frontal_heads_beside_the_camera_face_it():
    # At 100 degrees to the right the person looks into the lens: to the left and forward.
    position = on_all_sides(100, 0, 1.5)
    x, y = FISHEYE_220.project(position[None])[0]
    face = Face(Box(0, 0, 1, 1), 1.0, Square(x, y, 40.0))
    nose = -rotation_in_camera(np.eye(3), face.square, FISHEYE_220)[:, 2]
    assert nose == pytest.approx(-position / 1.5, abs=1e-6)


def test_heads_of_one_picture_are_what_they_are_one_by_one():
    camera = CAMERAS['barrel']
    random = np.random.default_rng(4)
    faces, in_crops = [], []
    for number in range(7):
        position = random.uniform([-0.6, -0.3, 1.0], [0.6, 0.3, 2.0])
        in_crop = matrix_from_yaw_pitch_roll_deg(random.uniform(-40, 40, 3))
        in_crops.append(in_crop)
        faces.append(seen(camera, in_crop, position, landmarks=number % 2 == 0))
    # One of them where there is no ray, one of no size.
    faces[3] = Face(faces[3].box, 1.0, Square(9000.0, 300.0, 200.0))
    faces[5] = Face(faces[5].box, 1.0, Square(300.0, 300.0, 0.0))
    squares, landmarks = [face.square for face in faces], [face.landmarks for face in faces]
    rotations, found = poses_in_camera(np.array(in_crops), squares, landmarks, camera)
    assert np.array_equal(
        rotations, rotations_in_camera(np.array(in_crops), squares, camera), equal_nan=True
    )
    assert np.array_equal(
        found, sellion_positions_m(squares, landmarks, rotations, camera), equal_nan=True
    )
    assert np.isnan(found[[3, 5]]).all() and np.isnan(rotations[3]).all()
    for face, in_crop, rotation, position in zip(faces, in_crops, rotations, found, strict=True):
        alone = rotation_in_camera(in_crop, face.square, camera)
        assert np.allclose(alone, rotation, atol=1e-12, equal_nan=True)
        one = sellion_position_m(face.square, face.landmarks, rotation, camera)
        assert (one is None) == bool(np.isnan(position).any())
        assert one is None or np.allclose(one, position, atol=1e-9)


@pytest.mark.parametrize('name', CAMERAS)
def test_no_heads_are_no_trouble(name):
    rotations, positions = poses_in_camera(np.zeros((0, 3, 3)), [], [], CAMERAS[name])
    assert rotations.shape == (0, 3, 3)
    assert positions.shape == (0, 3)


@settings(max_examples=60, deadline=None)
@given(positions, poses, st.booleans())
def test_a_mirrored_picture_shows_the_mirrored_head(position, pose, landmarks):
    camera, mirror = CAMERAS['pinhole'], np.array([-1.0, 1.0, 1.0])
    in_crop = matrix_from_yaw_pitch_roll_deg(pose)
    face = seen(camera, rotation_to_ray(position) @ in_crop, position, landmarks=landmarks)
    square = Square(1280 - face.square.center_x, face.square.center_y, face.square.side)
    # The person's right eye becomes the left one.
    points = None
    if landmarks:
        points = face.landmarks[[1, 0, 2, 4, 3]] * (-1, 1) + (1280, 0)
    (rotation,), (found,) = poses_in_camera(in_crop[None], [face.square], [face.landmarks], camera)
    (other,), (there,) = poses_in_camera(mirrored(in_crop)[None], [square], [points], camera)
    assert geodesic_deg(other, mirrored(rotation)) < 1e-5
    angles, others = (yaw_pitch_roll_deg_from_matrix(r) for r in (rotation, other))
    if abs(angles[0]) < 89.0:
        assert others == pytest.approx(angles * (-1, 1, -1), abs=1e-4)
    assert there == pytest.approx(found * mirror, abs=1e-6)


def test_nearer_heads_are_larger():
    camera, rotation = CAMERAS['pinhole'], np.eye(3)
    face = seen(camera, rotation, np.array([0, 0, 2.0]), landmarks=False)
    twice = Face(face.box, 1.0, face.square.scaled(2.0))
    assert sellion_position_m(face.square, face.landmarks, rotation, camera)[2] == pytest.approx(
        2.0, abs=0.02
    )
    assert sellion_position_m(twice.square, twice.landmarks, rotation, camera)[2] == pytest.approx(
        1.0, abs=0.05
    )


@given(any_camera, positions, poses)
@settings(max_examples=50, deadline=None)
def test_rotation_in_a_crop_is_turned_by_the_ray(name, position, pose):
    rotation = matrix_from_yaw_pitch_roll_deg(pose)
    square = seen(CAMERAS[name], rotation, position).square
    ray = CAMERAS[name].rays([[square.center_x, square.center_y]])[0]
    in_crop = rotation_to_ray(ray).T @ rotation
    face = Face(Box(0, 0, 1, 1), 1.0, square)
    found = rotation_in_camera(in_crop, face.square, CAMERAS[name])
    assert geodesic_deg(found, rotation) < 1e-6


def test_head_that_faces_a_camera_off_its_axis_is_turned_against_it():
    # Seen 30 degrees to the right of the axis, looking into the lens: frontal in its crop, but
    # against the camera its nose points to the left.
    camera = CAMERAS['pinhole']
    x, y = camera.project([[np.tan(np.radians(30)), 0, 1.0]])[0]
    face = Face(Box(0, 0, 1, 1), 1.0, Square(x, y, 100.0))
    nose = -rotation_in_camera(np.eye(3), face.square, camera)[:, 2]
    assert nose == pytest.approx([-0.5, 0, -np.cos(np.radians(30))])


class KnownFaces:
    name = 'known'

    def __init__(self, faces):
        self.faces = faces

    def detect(self, image):
        return self.faces


class PerfectNetwork:
    name = 'perfect'
    description = Description('perfect', crop_scale=0.9)

    def __init__(self, angles_deg):
        self.angles_deg = angles_deg

    def __call__(self, crops):
        assert crops.shape == (len(self.angles_deg), 64, 64, 3)
        return self.angles_deg

    def with_expected_error(self, crops):
        return self(crops), None


@pytest.mark.parametrize('name', CAMERAS)
def test_estimator_gives_rotation_and_position_against_the_camera(name):
    camera = CAMERAS[name]
    truth = [
        (np.array([0.0, 0.0, 1.0]), (20, 10, -5)),
        (np.array([1.0, 0.3, 1.6]), (-50, -20, 15)),
        (np.array([-1.4, -0.5, 2.4]), (70, 15, -30)),
    ]
    truth = [(p, matrix_from_yaw_pitch_roll_deg(a)) for p, a in truth]
    faces = [seen(camera, rotation, position) for position, rotation in truth]
    in_crops = []
    for face, (_, rotation) in zip(faces, truth, strict=True):
        ray = camera.rays([[face.square.center_x, face.square.center_y]])[0]
        in_crops.append(yaw_pitch_roll_deg_from_matrix(rotation_to_ray(ray).T @ rotation))
    network = PerfectNetwork(np.array(in_crops))
    estimator = HeadPoseEstimator(KnownFaces(faces), runtime=network, mirror=False)
    image = np.zeros((720, 1280, 3), np.uint8)
    heads = estimator.estimate(image, camera)
    for head, (position, rotation) in zip(heads, truth, strict=True):
        assert geodesic_deg(head.rotation_optical, rotation) < 1e-6
        assert np.linalg.norm(head.position_m - position) < 0.005 * np.linalg.norm(position)
    # Without a calibration: what the crops show, and no distance.
    for head, angles in zip(estimator.estimate(image), in_crops, strict=True):
        assert head.yaw_pitch_roll_deg == pytest.approx(angles, abs=1e-6)
        assert head.position_m is None


def test_position_is_unknown_where_no_ray_leads_to_the_face():
    camera = CAMERAS['barrel']
    face = Face(Box(0, 0, 1, 1), 1.0, Square(9000.0, 300.0, 200.0))
    assert sellion_position_m(face.square, face.landmarks, np.eye(3), camera) is None
    network = PerfectNetwork(np.array([[10.0, 0.0, 0.0]]))
    estimator = HeadPoseEstimator(KnownFaces([face]), runtime=network, mirror=False)
    (head,) = estimator.estimate(np.zeros((720, 1280, 3), np.uint8), camera)
    assert head.position_m is None
    assert np.isfinite(head.rotation_optical).all()


def test_position_is_unknown_where_the_landmarks_contradict_the_rotation():
    camera = CAMERAS['pinhole']
    face = seen(camera, np.eye(3), np.array([0, 0, 1.0]))
    upside_down = matrix_from_yaw_pitch_roll_deg([0, 0, 180])
    strange = Face(face.box, 1.0, Square(*face.box.center, 1.0), face.landmarks)
    found = sellion_position_m(strange.square, strange.landmarks, upside_down, camera)
    assert found is None or np.isfinite(found).all()


@given(positions, st.floats(30.0, 1000.0))
def test_distance_is_less_sure_than_direction(position, square_side_px):
    covariance = position_covariance_m2(position, square_side_px)
    values, vectors = np.linalg.eigh(covariance)
    assert (values > 0).all()
    assert np.allclose(covariance, covariance.T)
    along = vectors[:, np.argmax(values)] @ position / np.linalg.norm(position)
    assert abs(along) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ('distance_m', 'square_side_px', 'across_m', 'along_m'),
    # Near, the head's own part: 5.5 mm. Far away, the picture's: a pixel and a quarter of a square
    # that is 0.2 m wide.
    [(1.0, 1e6, 0.0055, 0.1), (4.0, 50.0, 0.00743, 0.4), (8.0, 10.0, 0.0256, 0.8)],
)
def test_standard_deviations_are_those_of_the_documentation(
    distance_m, square_side_px, across_m, along_m
):
    covariance = position_covariance_m2(np.array([0.0, 0.0, distance_m]), square_side_px)
    expected = np.diag([across_m, across_m, along_m])
    assert np.sqrt(covariance) == pytest.approx(expected, rel=0.01, abs=1e-9)


def test_mean_head_is_an_adults():
    # Bitragion breadth is about 14 cm, eyes 6 to 7 cm apart, the person's right at the left.
    assert np.ptp(LANDMARKS_68_M[:, 0]) == pytest.approx(0.145, abs=0.01)
    assert FIVE_POINTS_M[1, 0] - FIVE_POINTS_M[0, 0] == pytest.approx(0.065, abs=0.005)
    assert (LANDMARKS_68_M[27] == 0).all()
    assert FIVE_POINTS_M[2, 2] < 0  # the tip of the nose is nearer to the camera


def test_the_outer_landmarks_are_those_of_the_convex_hull():
    hull = LANDMARKS_68_M[sorted(ConvexHull(LANDMARKS_68_M).vertices)]
    assert np.array_equal(OUTER_LANDMARKS_M, hull)

"""The renderer draws what the geometry says, and the clip's truth keeps to the convention."""

import csv

import cv2
import numpy as np
import pytest

from fsanet_ros import demo
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.geometry import face_model, rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.research.rendering import Appearance, HeadModel, compose, face_square, render_head
from fsanet_ros.research.rendering.mesh import SolidNoise, loft, smoothstep, vertex_normals
from fsanet_ros.research.rendering.rasterizer import rasterize
from fsanet_ros.tools import make_clip


def clip_camera() -> CameraModel:
    calibration = read_calibration(demo.CLIP_CAMERA)
    return CameraModel(calibration.width, calibration.height, calibration.k, calibration.d)


def drawn(fragments, width, height):
    picture = np.full(width * height, -1)
    picture[fragments.pixel] = fragments.triangle
    return picture.reshape(height, width)


# A renderer small enough to be counted by hand


def test_triangle_covers_the_pixels_whose_centres_are_inside():
    points = np.array([[0.5, 0.5], [4.5, 0.5], [0.5, 4.5]])
    fragments = rasterize(points, np.ones(3), np.array([[0, 1, 2]]), 7, 6)
    expected = [
        [-1, -1, -1, -1, -1, -1, -1],
        [-1, 0, 0, 0, 0, -1, -1],
        [-1, 0, 0, 0, -1, -1, -1],
        [-1, 0, 0, -1, -1, -1, -1],
        [-1, 0, -1, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1, -1, -1],
    ]
    assert drawn(fragments, 7, 6).tolist() == expected


@pytest.mark.parametrize('order', [[0, 1, 2], [0, 2, 1]])
def test_both_sides_are_drawn(order):
    points = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    assert len(rasterize(points, np.ones(3), np.array([order]), 10, 10).pixel) == 55


def test_the_nearer_triangle_is_seen_whatever_the_order():
    square = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points = np.concatenate([square, square])
    nearness = np.array([1.0, 1, 1, 2, 2, 2])
    for triangles in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        fragments = rasterize(points, nearness, np.array(triangles), 10, 10)
        assert np.all(fragments.corners.min(axis=1) == 3)


def test_triangles_that_pierce_each_other_are_cut_where_they_meet():
    points = np.array([[0.0, 0], [20, 0], [0, 20], [0, 0], [20, 0], [0, 20]])
    # The second is nearer on the left only.
    nearness = np.array([1.0, 1.0, 1.0, 1.5, 0.5, 1.5])
    picture = drawn(rasterize(points, nearness, np.array([[0, 1, 2], [3, 4, 5]]), 21, 21), 21, 21)
    assert picture[2, 3] == 1 and picture[2, 16] == 0


def test_weights_are_corrected_for_perspective():
    # A floor from depth 1 to depth 3: the middle of the picture is nearer than the middle depth.
    depth = np.array([1.0, 1.0, 3.0, 3.0])
    points = np.array([[0.0, 20], [20, 20], [0, 0], [20, 0]])
    fragments = rasterize(points, 1 / depth, np.array([[0, 1, 2], [1, 3, 2]]), 21, 21)
    at = fragments.interpolate(depth[:, None])[:, 0].reshape(21, 21)
    assert at[10, 5] == pytest.approx(1 / ((1 + 1 / 3) / 2))
    assert np.allclose(fragments.weights.sum(axis=1), 1.0)
    assert np.allclose(1 / at.ravel(), fragments.nearness)


def test_what_is_behind_the_camera_or_outside_of_the_picture_is_left_out():
    points = np.array([[1.0, 1], [8, 1], [1, 8], [-30, -30], [-20, -30], [-30, -20]])
    triangles = np.array([[0, 1, 2], [3, 4, 5]])
    assert not len(rasterize(points, np.array([1, np.nan, 1, 1, 1, 1.0]), triangles, 9, 9).pixel)


def test_adjacent_triangles_leave_no_gap():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:8, 0:8]
    points = np.stack([columns.ravel(), rows.ravel()], axis=1) * 10.0
    inner = np.all((points > 0) & (points < 70), axis=1)
    points[inner] += rng.uniform(-3, 3, (inner.sum(), 2))
    corner = (rows[:-1, :-1] * 8 + columns[:-1, :-1]).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 8], axis=1),
            np.stack([corner + 1, corner + 9, corner + 8], axis=1),
        ]
    )
    assert len(rasterize(points, np.ones(64), triangles, 71, 71).pixel) == 71 * 71


def test_many_triangles_in_chunks_give_what_one_gives():
    points = np.array([[0.0, 0], [699, 0], [0, 699]])
    once = rasterize(points, np.ones(3), np.array([[0, 1, 2]]), 700, 700)
    often = rasterize(points, np.ones(3), np.array([[0, 1, 2]] * 9), 700, 700)
    assert np.array_equal(once.pixel, often.pixel)


def test_surface_of_a_cylinder_is_seen_from_outside():
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.cos(angle), np.zeros(12), -np.sin(angle)], axis=1)
    vertices, triangles = loft([ring, np.add(ring, (0, 1, 0))])
    normals = vertex_normals(vertices, triangles)
    outward = vertices * (1, 0, 1)
    assert np.sum(normals * outward, axis=1).min() > 0.99


def test_noise_is_smooth_bounded_and_repeatable():
    points = np.random.default_rng(0).uniform(-200, 200, (2000, 3))
    noise = SolidNoise(5)
    assert np.array_equal(noise(points), SolidNoise(5)(points))
    assert np.abs(noise(points)).max() <= 1.0
    assert np.abs(noise(points + 1e-4) - noise(points)).max() < 1e-3


def test_smoothstep_runs_either_way():
    values = np.array([0.0, 0.5, 1.0])
    assert smoothstep(0.0, 1.0, values).tolist() == [0.0, 0.5, 1.0]
    assert smoothstep(1.0, 0.0, values).tolist() == [1.0, 0.5, 0.0]


def test_random_looks_are_the_same_for_the_same_seed():
    assert Appearance.random(3) == Appearance.random(3) != Appearance.random(4)


# The head model


def test_missing_model_says_what_it_is_and_who_publishes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match='ICT-FaceKit') as raised:
        HeadModel.load(tmp_path / 'none.npz')
    assert 'MIT' in str(raised.value) and 'github.com/ICT-VGL' in str(raised.value)


def test_make_clip_ends_with_an_error_where_the_model_is_missing(tmp_path, capsys):
    assert make_clip.main(['--model', str(tmp_path / 'none.npz')]) == 1
    assert 'ICT-FaceKit' in capsys.readouterr().err


def test_constant_landmarks_are_those_of_the_mean_head(model):
    landmarks = model.mean[model.landmarks]
    assert np.abs(landmarks - face_model.LANDMARKS_68_M).max() < 1e-4


def test_unknown_expression_is_refused(model):
    with pytest.raises(ValueError, match='jawOpen'):
        model.shape(expression={'frown': 1.0})


def test_individual_sellion_is_the_origin(model):
    shape = model.shape(np.ones(5))
    assert np.allclose(shape[model.landmarks[27]], 0.0)


def test_skin_faces_outwards(model):
    normals = vertex_normals(model.mean, model.triangles)
    nose_tip, chin, right, left = normals[model.landmarks[[30, 8, 0, 16]]]
    assert nose_tip[2] < -0.9 and chin[1] > 0.5 and right[0] < -0.9 and left[0] > 0.9


def test_head_is_drawn_where_its_landmarks_are_projected(figure):
    camera = CameraModel.pinhole(160, 120, 150.0, (80.0, 60.0))
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([20.0, 10.0, -15.0])
    position = np.array([0.03, -0.02, 0.55])
    head = render_head(figure, rotation, position, camera, supersampling=1)
    expected = camera.project(face_model.LANDMARKS_68_M @ rotation.T + position)
    assert np.abs(head.landmarks_px - expected).max() < 0.05
    pixels = np.floor(head.landmarks_px[17:]).astype(int)
    assert np.all(head.alpha[pixels[:, 1], pixels[:, 0]] == 1.0)
    # Moved by whole pixels when the camera's centre is.
    moved = CameraModel.pinhole(160, 120, 150.0, (83.0, 58.0))
    other = render_head(figure, rotation, position, moved, supersampling=1)
    assert np.array_equal(other.alpha[5:-5, 8:-5], head.alpha[7:-3, 5:-8])


def test_supersampling_does_not_move_the_head(figure):
    camera = CameraModel.pinhole(160, 120, 150.0)
    centers = []
    for factor in (1, 2, 3):
        alpha = render_head(figure, np.eye(3), [0, 0, 1.2], camera, supersampling=factor).alpha
        # The body reaches the lower edge; the head's rows only.
        columns = (np.arange(160) + 0.5) * alpha[:62]
        centers.append(columns.sum() / alpha[:62].sum())
    # A symmetric head on the axis: in the middle of the picture.
    assert np.allclose(centers, 80.0, atol=0.15)


def test_nearer_head_covers_the_farther_one(figure):
    camera = CameraModel.pinhole(80, 60, 75.0)
    near = render_head(figure, np.eye(3), [0, 0, 0.5], camera)
    far = render_head(figure, np.eye(3), [0.05, 0, 1.0], camera)
    background = np.full((60, 80, 3), 0.2)
    assert np.array_equal(compose([near, far], background), compose([far, near], background))


def test_face_square_has_the_larger_side_times_root_two():
    square = face_square(np.array([[10.0, 20.0], [50.0, 30.0], [30.0, 40.0]]))
    assert (square.center_x, square.center_y) == (30.0, 30.0)
    assert square.side == pytest.approx(40.0 * np.sqrt(2))


# The constant face


def test_face_model_has_human_proportions_and_the_right_sides():
    right_eye, left_eye, nose, right_mouth, left_mouth = face_model.FIVE_POINTS_M
    assert 0.060 < np.linalg.norm(left_eye - right_eye) < 0.066
    # The person's right is the image's left, y points down, the nose stands out towards us.
    assert right_eye[0] < 0 < left_eye[0] and right_mouth[0] < 0 < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert nose[2] == face_model.LANDMARKS_68_M[:, 2].min()
    assert np.all(face_model.LANDMARKS_68_M[27] == 0.0)
    eyes = face_model.LANDMARKS_68_M[36:48].reshape(2, 6, 3).mean(axis=1)
    assert np.abs(eyes - [right_eye, left_eye]).max() < 1e-4


def test_face_model_is_symmetric_and_constant():
    jaw = face_model.LANDMARKS_68_M[:17]
    assert np.abs(jaw - jaw[::-1] * (-1, 1, 1)).max() < 2e-4
    with pytest.raises(ValueError, match='read-only'):
        face_model.FIVE_POINTS_M[0, 0] = 1.0


# The clip that ships


@pytest.fixture(scope='module')
def truths():
    return demo.read_poses()


def test_clip_has_a_picture_for_every_row_and_is_small(truths):
    video = cv2.VideoCapture(str(demo.CLIP))
    assert video.isOpened()
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(make_clip.FPS)
    count = 0
    while True:
        read, frame = video.read()
        if not read:
            break
        assert frame.shape == (480, 640, 3)
        count += 1
    total = make_clip.RENDERED_FRAMES + make_clip.PHOTOGRAPH_FRAMES
    assert count == total == video.get(cv2.CAP_PROP_FRAME_COUNT)
    assert sorted({truth.frame for truth in truths}) == list(range(total))
    files = (demo.CLIP, demo.CLIP_POSES, demo.CLIP_CAMERA)
    assert sum(file.stat().st_size for file in files) < 2_000_000


def test_clip_angles_and_quaternions_agree():
    with demo.CLIP_POSES.open(newline='', encoding='utf-8') as file:
        rows = [row for row in csv.DictReader(file) if row['yaw_deg']]
    angles = np.array(
        [[float(row[f'{name}_deg']) for name in ('yaw', 'pitch', 'roll')] for row in rows]
    )
    quaternions = np.array([[float(row[f'face_q{axis}']) for axis in 'xyzw'] for row in rows])
    expected = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    found = rotations.rotation_optical_from_face_quaternion(quaternions)
    assert rotations.geodesic_deg(expected, found).max() < 1e-3
    assert np.allclose(np.linalg.norm(quaternions, axis=1), 1.0, atol=1e-6)
    # The promised range.
    assert np.allclose(np.abs(angles).max(axis=0), [60.0, 30.0, 25.0], atol=1.0)


def test_clip_squares_follow_from_the_poses_and_the_camera(truths):
    camera = clip_camera()
    alex = [truth for truth in truths if truth.name == 'Alex']
    assert len(alex) == make_clip.RENDERED_FRAMES
    for truth in alex:
        # Alex is the mean head; a smile moves the outline by little.
        points = face_model.LANDMARKS_68_M @ truth.rotation_optical.T + truth.position_m
        expected = face_square(camera.project(points))
        assert truth.square.side == pytest.approx(expected.side, rel=0.03)
        assert truth.square.center_x == pytest.approx(expected.center_x, abs=2.0)
        assert truth.square.center_y == pytest.approx(expected.center_y, abs=2.0)


def test_clip_says_what_is_unknown(truths):
    photograph = [truth for truth in truths if truth.rotation_optical is None]
    assert len(photograph) == make_clip.PHOTOGRAPH_FRAMES
    rolls = [truth.relative_roll_deg for truth in photograph]
    assert rolls[0] == 0.0 and max(rolls) > 20.0 and min(rolls) < -20.0
    assert all(truth.position_m is None and truth.square is None for truth in photograph)


def test_clip_stamps_are_steady(truths):
    assert len(truths) > 400
    for truth in truths:
        assert truth.stamp_s == pytest.approx(truth.frame / make_clip.FPS, abs=1e-6)


def test_poses_survive_writing_and_reading(tmp_path, truths):
    demo.write_poses(tmp_path / 'poses.csv', truths)
    with (tmp_path / 'poses.csv').open() as again, demo.CLIP_POSES.open() as shipped:
        for written, row in zip(csv.DictReader(again), csv.DictReader(shipped), strict=True):
            assert written.keys() == row.keys()
            for column, text in row.items():
                if text and column != 'name':
                    # The last digit may differ: angles are derived from a rounded quaternion.
                    assert float(written[column]) == pytest.approx(float(text), abs=1.5e-4), column
                else:
                    assert written[column] == text


@pytest.mark.slow
def test_clip_shows_what_the_command_renders(model):
    frame = 36
    video = cv2.VideoCapture(str(demo.CLIP))
    for _ in range(frame + 1):
        read, shipped = video.read()
    assert read
    camera = make_clip.clip_camera()
    alex = make_clip.cast(model)[0]
    head, truth = alex.at(frame, camera)
    assert truth.rotation_optical[0, 2] == pytest.approx(np.sin(np.radians(60.0)), abs=1e-6)
    made = compose([head], np.zeros((480, 640, 3)))
    inside = head.alpha > 0.99
    difference = made[inside].astype(float) - shipped[inside]
    assert np.abs(difference).mean() < 6.0

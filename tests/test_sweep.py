"""Small faces anywhere: each part of an image is searched in a stated time, at a bounded cost."""

from functools import partial

import numpy as np
import pytest

from fsanet_ros.detection.changes import cells_of
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.detection.sweep import (
    DETECTABLE_PX,
    SMALLEST_FACE_PX,
    TILE_AREA,
    TILE_PX,
    TILES_PER_IMAGE,
    Sweep,
    SweepSettings,
    sweep_windows,
    whole_view,
)
from fsanet_ros.types import Box, Face, Square

SIZES = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160), (8000, 400), (90, 60), (1, 1)]
RATE_HZ = 30
rng = np.random.default_rng(0)


def upright(windows):
    return [window for window in windows if not window.turn_deg]


def shows(window, x, y, side):
    """Whether a window shows all of a square, neither too small nor larger than tiles overlap."""
    inside = (
        window.left <= x
        and window.top <= y
        and x + side <= window.left + window.width
        and y + side <= window.top + window.height
    )
    return inside and side * window.scale >= 0.9 * DETECTABLE_PX


def least_side(windows):
    return 1.05 * DETECTABLE_PX / max(window.scale for window in windows)


@pytest.mark.parametrize(('width', 'height'), SIZES[:-2])
def test_a_face_slid_over_every_border_is_shown_whole(width, height):
    windows = upright(sweep_windows(width, height, SweepSettings()))
    borders_x = {w.left for w in windows} | {w.left + w.width for w in windows}
    borders_y = {w.top for w in windows} | {w.top + w.height for w in windows}
    side = least_side(windows)
    while side < min(width, height):
        offsets = np.linspace(-side, 0.0, 9)
        xs = np.clip([b + o for b in borders_x for o in offsets], 0, width - side)
        ys = np.clip([b + o for b in borders_y for o in offsets], 0, height - side)
        for x in xs:
            assert any(shows(w, x, ys[0], side) for w in windows), (side, x)
        for y in ys:
            assert any(shows(w, xs[0], y, side) for w in windows), (side, y)
        for x, y in zip(rng.choice(xs, 300), rng.choice(ys, 300), strict=True):
            assert any(shows(w, x, y, side) for w in windows), (side, x, y)
        side *= 1.3


@pytest.mark.parametrize(('width', 'height'), SIZES)
def test_no_window_is_larger_than_a_tile_and_none_leaves_the_image(width, height):
    for window in sweep_windows(width, height, SweepSettings()):
        shown_width, shown_height = window.shown_size
        assert max(shown_width, shown_height) <= TILE_PX + 1
        area = TILE_PX**2 * (1.0 if window.turn_deg else 1.02 * TILE_AREA)
        assert shown_width * shown_height <= area
        assert window.left >= 0 and window.left + window.width <= width
        assert window.top >= 0 and window.top + window.height <= height


@pytest.mark.parametrize('tiles_per_s', [12.0, 50.0])
@pytest.mark.parametrize(('width', 'height'), SIZES[:-2])
def test_all_of_a_changing_image_is_searched_within_the_time(width, height, tiles_per_s):
    settings = SweepSettings(tiles_per_s=tiles_per_s)
    windows = sweep_windows(width, height, settings)
    assert len(windows) <= max(tiles_per_s + 1, 6)
    sweep, last_seen = Sweep(), {}
    for number in range(4 * RATE_HZ):
        cells = rng.integers(0, 255, (height // 8, width // 8)).astype(np.int16)
        found = sweep.next_windows(
            (width, height), number / RATE_HZ, partial(np.copy, cells), settings
        )
        assert len(found) <= TILES_PER_IMAGE
        for window in found:
            key = window.shown_width, window.turn_deg, window.left // 20, window.top // 20
            last_seen[nearest(windows, window)] = number, key
        if number > RATE_HZ:
            assert len(last_seen) == len(windows)
            assert all(number - seen <= RATE_HZ + 1 for seen, _ in last_seen.values())


def nearest(windows, moved):
    """Return the number of the window that was moved by a few pixels."""
    same = [
        (abs(w.left - moved.left) + abs(w.top - moved.top), index)
        for index, w in enumerate(windows)
        if (w.width, w.height, w.scale, w.turn_deg)
        == (moved.width, moved.height, moved.scale, moved.turn_deg)
    ]
    return min(same)[1]


def test_where_nothing_changes_a_sweep_comes_to_rest_and_goes_where_something_comes():
    settings, sweep = SweepSettings(), Sweep()
    cells = np.full((90, 160), 60, np.int16)

    def windows_in(images):
        look = partial(np.copy, cells)
        size = 1280, 720
        return [sweep.next_windows(size, i / RATE_HZ, look, settings) for i in images]

    counts = [len(windows) for windows in windows_in(range(240))]
    assert sum(counts[:90]) > 60 and sum(counts[110:150]) == 0
    assert 10 < sum(counts[150:]) < 30, 'after some seconds, once more'
    cells[40:43, 80:83] = 200
    windows = [window for found in windows_in(range(240, 270)) for window in found]
    assert windows and all(
        w.left <= 83 * 8 and w.left + w.width >= 80 * 8 and w.top <= 43 * 8 for w in windows
    )


def test_a_pause_is_no_reason_to_search_again_what_has_not_changed():
    sweep, cells = Sweep(), np.full((90, 160), 60, np.int16)

    def windows_from(start_s):
        times = start_s + np.arange(4 * RATE_HZ) / RATE_HZ
        look = partial(np.copy, cells)
        return sum(len(sweep.next_windows((1280, 720), t, look, SweepSettings())) for t in times)

    assert windows_from(0.0) > 50
    assert windows_from(6.0) < 30, 'once more, as some seconds have passed'
    assert windows_from(12.0) == 0
    cells[40:43, 80:83] = 200
    assert windows_from(18.0) > 0
    assert windows_from(3.0) > 50, 'a recording that starts again'


def test_a_scene_that_stands_still_for_days_is_still_looked_at():
    sweep, cells = Sweep(), cells_of(np.full((240, 320, 3), 90, np.uint8))
    settings = SweepSettings(smallest_face_px=40.0)
    windows = len(sweep_windows(320, 240, settings))
    searched = [
        len(sweep.next_windows((320, 240), 50.0 * i, lambda: cells, settings))
        for i in range(1200 * windows)
    ]
    assert sum(searched[-10 * windows :]) >= windows


def test_known_faces_that_move_keep_no_window_from_coming_to_rest():
    sweep, looks = Sweep(), []
    for i in range(30 * RATE_HZ):
        cells = np.full((90, 160), 60, np.int16)
        x = 40 + i % 3
        cells[30:46, x : x + 12] = 200 if i % 2 else 120
        face = Square((x + 6) * 8.0, 38 * 8.0, 100.0)
        size, look = (1280, 720), partial(np.copy, cells)
        looks.append(len(sweep.next_windows(size, i / RATE_HZ, look, SweepSettings(), [face])))
    assert sum(looks[: 10 * RATE_HZ]) > 40
    assert sum(looks[-10 * RATE_HZ :]) < 30


def test_with_faces_in_view_a_sweep_takes_a_part_of_a_window_for_each_image():
    sweep, looks = Sweep(), []
    for i in range(20 * RATE_HZ):
        cells = rng.integers(0, 255, (90, 160)).astype(np.int16)
        size, look = (1280, 720), partial(np.copy, cells)
        face = Square(300.0, 300.0, 80.0)
        looks.append(len(sweep.next_windows(size, i / RATE_HZ, look, SweepSettings(), [face])))
    assert sum(looks[: 4 * RATE_HZ]) >= len(sweep_windows(1280, 720, SweepSettings()))
    assert 0.1 <= np.mean(looks[10 * RATE_HZ :]) <= 0.25


def test_a_slow_camera_gets_no_more_than_its_share():
    sweep = Sweep()
    for i in range(20):
        cells = rng.integers(0, 255, (90, 160)).astype(np.int16)
        found = sweep.next_windows((1280, 720), i / 2.0, partial(np.copy, cells), SweepSettings())
        assert len(found) <= TILES_PER_IMAGE


def test_the_smallest_face_sets_the_scale():
    finest = {
        px: max(w.scale for w in sweep_windows(1280, 720, SweepSettings(px))) for px in (18, 30)
    }
    for px, scale in finest.items():
        assert scale == pytest.approx(DETECTABLE_PX / px, abs=0.01)


def finest_scale_shown(follower):
    follower.find(Eyes(), np.zeros((720, 1280, 3), np.uint8), 0.0)
    return follower._sweep._turns[0].window.scale


def test_with_a_calibration_the_distance_sets_the_scale():
    follower = FaceFollower(0.3, 480, SearchAtOnce())
    follower.max_distance_m = 4.0  # 32 pixels
    assert finest_scale_shown(follower) == pytest.approx(DETECTABLE_PX / SMALLEST_FACE_PX, abs=0.02)
    follower.focal_px = 930.0
    assert finest_scale_shown(follower) == pytest.approx(DETECTABLE_PX / 32, abs=0.02)


class Eyes:
    """Finds bright squares that are shown neither too small nor cut off; counts pixels."""

    name = 'eyes'
    tiles_per_s = 50.0

    def __init__(self):
        self.pixels = 0

    def detect(self, image):
        self.pixels += image.shape[0] * image.shape[1]
        mask = (image[:, :, 1] > 150).astype(np.uint8)
        if not mask.any():
            return []
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        height, width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
        is_square = 0.85 < width / height < 1.18 and mask.sum() > 0.85 * width * height
        if not is_square or min(width, height) < 0.8 * DETECTABLE_PX:
            return []
        box = Box(left, top, width, height)
        return [Face(box, 0.9, Square(*box.center, max(width, height)))]


def scene(width, height, x, y, side):
    image = np.full((height, width, 3), 40, np.uint8)
    image[y : y + side, x : x + side] = 220
    return image


@pytest.mark.parametrize(('width', 'height'), [(640, 480), (1280, 720), (8000, 400)])
def test_a_small_face_that_was_always_there_is_found_within_the_time(width, height):
    finest = max(w.scale for w in sweep_windows(width, height, SweepSettings()))
    side = round(1.1 * DETECTABLE_PX / finest)
    for x, y in rng.uniform((0, 0), (width - side, height - side), (6, 2)).astype(int).tolist():
        eyes, follower = Eyes(), FaceFollower(0.3, 480, SearchAtOnce())
        image = scene(width, height, x, y, side)
        found = [bool(follower.find(eyes, image, i / RATE_HZ)) for i in range(RATE_HZ + 2)]
        assert any(found)
        assert all(found[found.index(True) :]), 'and is followed'


@pytest.mark.parametrize(('width', 'height'), [(640, 480), (1920, 1080), (8000, 400)])
def test_no_image_costs_more_than_a_few_tiles(width, height):
    eyes, follower = Eyes(), FaceFollower(0.3, 480, SearchAtOnce())
    for i in range(20):
        eyes.pixels = 0
        noise = rng.integers(0, 140, (height, width, 1)).astype(np.uint8)
        follower.find(eyes, np.repeat(noise, 3, axis=2), i / RATE_HZ)
        assert eyes.pixels <= (1 + TILES_PER_IMAGE) * TILE_AREA * TILE_PX**2


def test_a_camera_may_change_its_size_and_images_may_be_tiny():
    eyes, follower = Eyes(), FaceFollower(0.3, 480, SearchAtOnce())
    for i, (width, height) in enumerate(SIZES + SIZES[::-1]):
        assert follower.find(eyes, np.zeros((height, width, 3), np.uint8), i / RATE_HZ) == []


def test_cells_of_tiny_images():
    for width, height in ((1, 1), (3, 9), (7, 7), (640, 1)):
        assert cells_of(np.zeros((height, width, 3), np.uint8)).size >= 1


def test_whole_views_are_as_large_as_the_detector_is_shown():
    assert whole_view(1280, 720, 480).shown_size == (480, 270)
    assert whole_view(320, 240, 480).shown_size == (320, 240)
    assert whole_view(1280, 720, 0).shown_size == (1280, 720)

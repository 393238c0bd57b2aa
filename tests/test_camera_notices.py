"""What is odd about a camera's images is said once: frames, people upside down, no contrast."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('sensor_msgs.msg')

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.files.image_messages import SignificantBits, bgr_from_compressed, bgr_from_image
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.ros.input import camera_notices
from fsanet_ros.ros.input.camera_notices import CameraNotices
from fsanet_ros.types import Box, Face, Head, Square

# ---- frames


@pytest.mark.parametrize(
    ('given', 'frame'),
    [
        ('camera_optical_frame', 'camera_optical_frame'),
        ('/camera', 'camera'),
        ('//camera/left', 'camera/left'),
        ('my camera', 'my camera'),
        ('camera ', 'camera '),
        ('', 'eye'),
        ('/', 'eye'),
        ('  ', 'eye'),
        ('/ ', 'eye'),
    ],
)
def test_a_frame_is_as_tf_takes_it_or_that_of_the_parameter(given, frame):
    notices = CameraNotices()
    notices.frame_id = 'eye'
    assert notices.frame_of(given) == frame
    assert not notices.take()


def test_images_without_a_frame_are_said_once():
    notices = CameraNotices()
    for _ in range(100):
        assert notices.frame_of('') == ''
    (said,) = notices.take()
    assert 'no header.frame_id' in said and 'input.frame_ids' in said
    notices.frame_id = '/eye'  # the parameter is live
    assert notices.frame_of('') == 'eye'
    assert not notices.take()


def test_a_head_without_a_parent_frame_has_no_transform():
    pytest.importorskip('fsanet_ros.msg')
    from fsanet_ros.ros.output.messages import transforms

    known = SimpleNamespace(id='h1', head=head(0.0))
    assert transforms([known], Header()) == []
    assert len(transforms([known], Header(frame_id='eye'))) == 2


def test_no_frame_is_its_own_parent():
    pytest.importorskip('fsanet_ros.msg')
    from fsanet_ros.ros.output.messages import transforms

    known = SimpleNamespace(id='h1', head=head(0.0))
    (only,) = transforms([known], Header(frame_id='face_h1'))
    assert only.child_frame_id == 'gaze_h1'


# ---- people upside down


def head(roll_deg, yaw_deg=0.0):
    face = Face(Box(0, 0, 10, 10), 0.9, Square(5, 5, 10))
    rotation = matrix_from_yaw_pitch_roll_deg([yaw_deg, -10.0, roll_deg])
    return Head(face, rotation, np.array([0.0, 0.0, 1.0]))


def said_of(rolls_deg, mounting_deg=0):
    notices = CameraNotices()
    notices.mounting_deg = mounting_deg
    for roll_deg in rolls_deg:
        notices.look_at_heads([head(roll_deg, yaw_deg=roll_deg % 40)])
    return notices.take()


@pytest.mark.parametrize(
    ('mounting_deg', 'roll_deg', 'meant'),
    [(0, 178.0, 180), (0, -165.0, 180), (180, 5.0, 0), (90, 80.0, 270), (270, -100.0, 90)],
)
def test_an_upside_down_camera_is_suspected_once(mounting_deg, roll_deg, meant):
    (said,) = said_of([roll_deg] * 500, mounting_deg)
    assert f'set the parameter input.mounting_deg to {meant}' in said


@pytest.mark.parametrize(
    ('mounting_deg', 'rolls_deg'),
    [
        (0, [0.0] * 500),
        (0, [85.0, -95.0] * 250),  # people who lie
        (0, [175.0, 3.0] * 250),  # somebody hangs there
        (0, [180.0] * 20),  # too few to tell
        (180, [178.0] * 500),
        (90, [-92.0] * 500),
        (270, [88.0] * 500),
    ],
)
def test_people_who_stand_as_the_camera_is_mounted_are_no_news(mounting_deg, rolls_deg):
    assert not said_of(rolls_deg, mounting_deg)


def test_heads_of_unknown_rotation_tell_nothing():
    notices = CameraNotices()
    lost = Head(head(0.0).face, np.full((3, 3), np.nan))
    for _ in range(500):
        notices.look_at_heads([lost])
    assert not notices.take()


def test_diagnostics_tell_of_an_upside_down_camera_until_that_is_mended():
    notices = CameraNotices()
    for _ in range(100):
        notices.look_at_heads([head(178.0)])
    assert 'input.mounting_deg to 180' in notices.problem
    notices.mounting_deg = 180
    assert notices.problem == ''
    for _ in range(100):
        notices.look_at_heads([head(3.0)])
    assert 'input.mounting_deg to 0' in notices.problem
    for _ in range(100):
        notices.look_at_heads([head(178.0)])
    assert notices.problem == ''


def test_diagnostics_tell_of_a_frame_that_is_missing_as_long_as_it_is():
    notices = CameraNotices()
    notices.frame_of('')
    assert 'no header.frame_id' in notices.problem
    notices.frame_of('eye')
    assert notices.problem == ''


# ---- pictures


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(camera_notices.time, 'monotonic', lambda: now.s)
    return now


def look(notices, picture, clock, seconds, bits=0):
    for _ in range(seconds):
        notices.look_at_picture(picture, bits)
        clock.s += 1.0


def test_pictures_without_contrast_are_said_once(clock):
    notices = CameraNotices()
    black = np.full((48, 64, 3), 3, np.uint8)
    look(notices, black, clock, 4)
    assert not notices.take()  # somebody covers the lens for a moment
    look(notices, black, clock, 60)
    (said,) = notices.take()
    assert 'no contrast (all values are 3 to 3 of 255)' in said


def test_diagnostics_tell_of_missing_contrast_before_all_else_until_something_is_seen(clock):
    notices = CameraNotices()
    notices.frame_of('')
    look(notices, np.full((48, 64, 3), 3, np.uint8), clock, 30)
    assert 'no contrast' in notices.problem
    ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None] * 4, (48, 1, 3))
    look(notices, ramp, clock, 6)
    assert 'no header.frame_id' in notices.problem


def test_dark_pictures_that_show_something_are_no_news(clock):
    notices = CameraNotices()
    dark = np.zeros((48, 64, 3), np.uint8)
    dark[:, 32:] = 20
    look(notices, dark, clock, 60)
    assert not notices.take()


def test_the_bits_that_a_camera_uses_are_said_once(clock):
    notices = CameraNotices()
    ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None] * 4, (48, 1, 3))
    look(notices, ramp, clock, 60, bits=12)
    (said,) = notices.take()
    assert 'the samples of 16 bits have 12 that are used' in said
    look(full := CameraNotices(), ramp, clock, 60, bits=16)
    assert not full.take()


def mono16(samples, big=0):
    kind = '>u2' if big else '<u2'
    return Image(
        width=samples.shape[1],
        height=samples.shape[0],
        encoding='mono16',
        is_bigendian=big,
        step=2 * samples.shape[1],
        data=samples.astype(kind).tobytes(),
    )


RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


@pytest.mark.parametrize('used', [8, 10, 12, 14, 16])
@pytest.mark.parametrize('big', [0, 1])
def test_cameras_with_fewer_bits_are_as_bright_as_any(used, big):
    samples = np.round(RAMP * (2**used - 1)).astype(np.uint16)
    picture = bgr_from_image(mono16(samples, big))
    assert np.abs(picture[:, :, 0] - RAMP * 255).max() <= 1.0


def test_brightness_does_not_depend_on_what_else_was_in_view():
    bits = SignificantBits()
    bright = np.round(RAMP * 4095).astype(np.uint16)
    bgr_from_image(mono16(bright), bits=bits)
    dark = (bright // 10).astype(np.uint16)
    again = bgr_from_image(mono16(dark), bits=bits)
    assert bits.bits == 12
    assert np.abs(again[:, :, 0] - RAMP * 25.5).max() <= 1.0


@pytest.mark.parametrize('kind', ['.png', '.tiff'])
@pytest.mark.parametrize('said', ['mono16; png compressed ', 'png', ''])
def test_compressed_pictures_with_fewer_bits_are_as_bright(kind, said):
    import cv2

    samples = np.round(RAMP * 4095).astype(np.uint16)
    data = cv2.imencode(kind, samples)[1].tobytes()
    message = SimpleNamespace(format=said, data=data)
    picture = bgr_from_compressed(message)
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture[:, :, 0] - RAMP * 255).max() <= 1.0

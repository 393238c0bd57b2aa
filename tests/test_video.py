"""Frames come in order, once each, from whatever holds them."""

import os

import cv2
import numpy as np
import pytest
from test_pictures import png_of

from fsanet_ros.files.video import VideoError, open_frames

FRAMES = 6


def frame(number, width=64):
    return np.full((48, width, 3), 20 + 30 * number, np.uint8)


def numbers(frames):
    return [round((bgr.mean() - 20) / 30) for bgr in frames]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48))
    for number in range(FRAMES):
        writer.write(frame(number))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'pictures'
    path.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(path / f'p{number + 8}.PNG'), frame(number, 40 + number))  # 8 ... 13
    (path / 'read.me').write_text('no picture')
    return path


@pytest.mark.parametrize('kind', ['video', 'folder'])
def test_every_frame_once_in_order_and_again_after_rewind(kind, request):
    with open_frames(request.getfixturevalue(kind)) as frames:
        assert not frames.live
        assert numbers(frames) == list(range(FRAMES))
        assert frames.read() is None and frames.read() is None
        frames.rewind()
        assert numbers(frames) == list(range(FRAMES))


NOT_UTF_8 = b'caf\xe9'


def test_pictures_whose_names_are_not_utf_8_are_read(folder):
    for file in folder.iterdir():
        folder_of = os.fsencode(folder)
        os.rename(os.fsencode(file), os.path.join(folder_of, NOT_UTF_8 + os.fsencode(file.name)))
    with open_frames(folder) as frames:
        assert numbers(frames) == list(range(FRAMES))


def test_a_video_whose_name_is_not_utf_8_is_read_or_refused_in_a_line_that_can_be_printed(video):
    path = os.path.join(os.fsencode(video.parent), NOT_UTF_8 + b'\n.avi')
    os.rename(video, path)
    try:
        with open_frames(os.fsdecode(path)) as frames:
            assert numbers(frames) == list(range(FRAMES))
            said = frames.name
    except VideoError as error:
        said = str(error)
    assert 'caf\\xe9\\n.avi' in said
    said.encode('utf-8')


def test_folders_among_the_pictures_are_none(folder):
    (folder / 'p1.png').mkdir()
    with open_frames(folder) as frames:
        assert numbers(frames) == list(range(FRAMES))


def test_a_picture_that_claims_a_billion_pixels_is_refused_unopened(tmp_path):
    (tmp_path / 'bomb.png').write_bytes(bytes(png_of(30_000, 30_016)))
    with pytest.raises(VideoError, match=r'bomb\.png: 30000 x 30016 pixels are more than'):
        open_frames(tmp_path)


@pytest.mark.parametrize('name', ['pipe.mp4', 'pipe.png'])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(VideoError, match=r'cannot be read \(it is a pipe, expected a file\)'):
        open_frames(tmp_path / name)


@pytest.mark.parametrize('name', ['x' * 5000, 'a\0b', '~nobody_of_that_name/x.mp4'])
def test_what_is_no_name_of_a_file_is_refused_in_one_line(name):
    with pytest.raises(VideoError, match='give a video file') as refusal:
        open_frames(name)
    assert len(str(refusal.value)) < 500 and '\n' not in str(refusal.value)


def test_rewind_in_the_middle_starts_at_the_first(video):
    with open_frames(video) as frames:
        frames.read()
        frames.read()
        frames.rewind()
        assert numbers(frames) == list(range(FRAMES))


def test_a_video_tells_its_rate_and_pictures_have_none(video, folder):
    with open_frames(str(video)) as frames:
        assert frames.rate_hz == pytest.approx(25.0)
        assert frames.name == str(video)
    with open_frames(folder) as frames:
        assert frames.rate_hz is None


@pytest.mark.parametrize('fps', [0.0, -1.0, float('nan'), float('inf'), 1000.0, 90000.0])
def test_a_rate_that_is_none_is_not_believed(video, monkeypatch, fps):
    class Capture:
        def __init__(self, source):
            pass

        def read(self):
            return True, frame(0)

        def get(self, prop):
            return fps

        def release(self):
            pass

    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    with open_frames(video) as frames:
        assert frames.rate_hz is None


def test_one_picture_is_one_frame(folder):
    with open_frames(folder / 'p10.PNG') as frames:
        assert numbers(frames) == [2]


def test_gray_pictures_come_as_bgr(tmp_path):
    cv2.imwrite(str(tmp_path / 'gray.png'), frame(1)[..., 0])
    with open_frames(tmp_path) as frames:
        np.testing.assert_array_equal(frames.read(), frame(1))


def test_what_can_not_be_read_is_explained(tmp_path, folder):
    (tmp_path / 'broken.mp4').write_bytes(b'rubbish')
    empty = tmp_path / 'empty'
    empty.mkdir()
    (folder / 'p9.PNG').write_bytes(b'rubbish')
    with pytest.raises(VideoError, match=r'nowhere\.mp4 does not exist'):
        open_frames(tmp_path / 'nowhere.mp4')
    with pytest.raises(VideoError, match=r'broken\.mp4 is not a video'):
        open_frames(tmp_path / 'broken.mp4')
    with pytest.raises(VideoError, match='empty holds no pictures'):
        open_frames(empty)
    with pytest.raises(VideoError, match=r'p9\.PNG: not a picture'):
        list(open_frames(folder))


def test_a_camera_that_is_not_there_is_explained():
    with pytest.raises(VideoError, match='camera 201 gives no frames'):
        open_frames(201)


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(VideoError) as caught:
        open_frames('rtsp://admin:secret@127.0.0.1:9/stream')
    assert 'rtsp://127.0.0.1:9/stream' in str(caught.value)
    assert 'secret' not in str(caught.value)

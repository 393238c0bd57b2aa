"""An output that cannot be written is said before the work, not after it."""

import pytest

from fsanet_ros.files.output_checks import check_file, check_folder
from fsanet_ros.tools import (
    bench,
    data,
    evaluate,
    heatmaps,
    label_faces,
    render_faces,
    timeline,
    train,
)


def test_places_that_can_be_written_are_left_as_they_were(tmp_path):
    (tmp_path / 'kept.txt').write_text('kept')
    check_file(tmp_path / 'kept.txt')
    check_file(tmp_path / 'new' / 'folders' / 'file.json')
    check_folder(tmp_path)
    check_folder(tmp_path / 'new')
    assert [path.name for path in tmp_path.iterdir()] == ['kept.txt']
    assert (tmp_path / 'kept.txt').read_text() == 'kept'


def test_names_without_a_folder_are_of_this_one(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    check_file(Path('file.json'))
    check_folder(Path('new'))


@pytest.mark.parametrize('check', [check_file, check_folder])
def test_other_places_are_refused(tmp_path, check):
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    with pytest.raises(OSError, match=r'file/x cannot be written: .*file is not a folder'):
        check(tmp_path / 'file' / 'x')
    with pytest.raises(OSError, match=r'link/x cannot be written: .*link is not a folder'):
        check(tmp_path / 'link' / 'x')
    with pytest.raises(OSError, match=r'/proc/x/y cannot be written: .* \(/proc\)'):
        check(tmp_path.joinpath('/proc/x/y'))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(OSError, match='is a folder: expected the name of a file'):
        check_file(tmp_path)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ('main', 'words', 'code'),
    [
        (render_faces.main, ['-o', '/proc/x'], 1),
        (label_faces.main, ['--root', '/x', '--teacher', 'a.onnx', '-o', '/proc/x/l.npz'], 1),
        (evaluate.main, ['clip', '--json', '/proc/x/e.json'], 1),
        (evaluate.main, ['aflw', '--root', '/x', '--json', '/proc/x/e.json'], 1),
        (heatmaps.main, ['/x.jpg', '-o', '/proc/x/h.png'], 1),
        (timeline.main, ['/topic', '-o', '/proc/x/t.png'], 1),
        (timeline.main, ['/topic', '-o', 't.png', '--table', '/proc/x/t.csv'], 1),
        (data.main, ['aflw', '--root', '/x', '-o', '/proc/x'], 1),
        (data.main, ['head-model', '--root', '/x', '-o', '/proc/x/m.npz'], 1),
        (data.main, ['own', '/x.csv', '-o', '/proc/x'], 1),
        (train.main, ['--recipe', 'own', '--root', '/x', '-o', '/proc/x'], 1),
        (bench.main, ['models', 'fsanet_1x1', '--json', '/proc/x/b.json'], 2),
        (bench.main, ['models', 'fsanet_1x1', '--report', '/proc/x'], 2),
    ],
)
def test_commands_say_it_at_once(main, words, code, capsys):
    if main is timeline.main:
        pytest.importorskip('matplotlib')
    if main is train.main:
        pytest.importorskip('torch')
    try:
        ended = main(words)
    except SystemExit as left:
        ended = left.code
    assert ended == code
    assert 'cannot be written: ' in capsys.readouterr().err

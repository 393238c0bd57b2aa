"""What people name is found: files, folders, patterns, cameras, streams and lists."""

import os

import pytest

from fsanet_ros.batch.inputs import find_inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ('b/img10.jpg', 'b/img2.jpg', 'a.PNG', 'clip.MP4', 'notes.txt', '.hidden.jpg'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').touch()
    (tmp_path / 'bag' / 'bag_0.db3').touch()
    (tmp_path / 'x.jpg').mkdir()
    (tmp_path / 'x.jpg' / 'inner.jpg').touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*arguments, listed=()):
    inputs, passed = find_inputs(arguments, listed)
    return [(one.kind, one.name) for one in inputs], {one.name: one.reason for one in passed}


def test_a_folder_is_read_with_those_below_in_natural_order(folder):
    inputs, passed = found('.')
    assert inputs == [
        ('picture', 'a.PNG'),
        ('picture', 'b/img2.jpg'),
        ('picture', 'b/img10.jpg'),
        ('bag', 'bag'),
        ('video', 'clip.MP4'),
        ('picture', 'x.jpg/inner.jpg'),
    ]
    assert passed == {'notes.txt': 'neither a picture, a video nor a bag by its name'}


def test_patterns_are_for_people_whose_shell_leaves_them(folder):
    assert found('b/*.jpg')[0] == [('picture', 'b/img2.jpg'), ('picture', 'b/img10.jpg')]
    assert found('**/*.jpg')[0] == [
        ('picture', 'b/img2.jpg'),
        ('picture', 'b/img10.jpg'),
        ('picture', 'x.jpg/inner.jpg'),
    ]
    assert found('*.gif') == ([], {'*.gif': 'no file matches this pattern'})


def test_numbers_are_cameras_unless_a_file_has_the_name(folder):
    assert found('0')[0] == [('camera', 'camera 0')]
    (folder / '0').touch()
    assert found('0')[0] == [('video', '0')]


def test_a_stream_is_named_without_its_password():
    inputs, _ = find_inputs(['rtsp://ann:secret@10.0.0.7/live'])
    assert inputs[0].kind == 'stream'
    assert inputs[0].address == 'rtsp://ann:secret@10.0.0.7/live'
    assert 'secret' not in inputs[0].name + inputs[0].place


def test_a_list_comes_line_by_line(folder):
    assert found('-', 'a.PNG', listed=['b/img2.jpg\n', '\n', 'no.jpg\r\n']) == (
        [('picture', 'b/img2.jpg'), ('picture', 'a.PNG')],
        {'no.jpg': 'does not exist'},
    )


def test_a_file_that_the_user_names_is_tried_whatever_its_ending(folder):
    assert found('notes.txt')[0] == [('video', 'notes.txt')]


def test_what_is_named_twice_is_read_once(folder):
    assert found('a.PNG', 'a.PNG') == ([('picture', 'a.PNG')], {'a.PNG': 'named twice'})


def test_links_that_lead_back_up_do_not_loop(folder):
    (folder / 'b' / 'up').symlink_to(folder)
    assert len(found('.')[0]) == 6


def test_names_of_other_encodings_can_be_printed_and_opened(folder):
    with open(b'caf\xe9.jpg', 'wb'):
        pass
    (one,), _ = find_inputs([os.fsdecode(b'caf\xe9.jpg')])
    assert one.name.encode('utf-8') == b'caf\\xe9.jpg'
    assert os.path.exists(one.address)


def test_links_that_lead_back_up_are_not_followed_by_patterns(tmp_path, monkeypatch):
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    for place in ('1.jpg', 'a/2.jpg', 'a/b/3.jpg', 'a/.hidden.jpg'):
        (tmp_path / place).write_bytes(b'x')
    for number in range(8):  # each way through them would be another name
        (tmp_path / 'a' / f'up{number}').symlink_to('..')
    monkeypatch.chdir(tmp_path)
    for pattern, expected in (
        ('**/*.jpg', ['1.jpg', 'a/2.jpg', 'a/b/3.jpg']),
        ('**', ['1.jpg', 'a/2.jpg', 'a/b/3.jpg']),
        ('a/**/*.jpg', ['a/2.jpg', 'a/b/3.jpg']),
        ('?/**/b/**/*.jpg', ['a/b/3.jpg']),
        ('a/**.jpg', ['a/2.jpg']),
        (f'{tmp_path}/**/3.*', [f'{tmp_path}/a/b/3.jpg']),
    ):
        assert sorted(one.address for one in find_inputs([pattern])[0]) == expected, pattern

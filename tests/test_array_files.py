"""Arrays that somebody else wrote: a damaged or other file is one line that names it."""

import zipfile

import cv2
import numpy as np
import pytest

from fsanet_ros.files.array_files import read_arrays
from fsanet_ros.research.datasets.faces import load_aflw_faces, load_rendered_faces
from fsanet_ros.research.rendering import HeadModel
from fsanet_ros.tools.evaluate import main as evaluate

LAYOUT = {'name': ('texts', ('n',)), 'rotations': ('numbers', ('n', 3, 3))}
GOOD = {'name': np.array(['a', 'b']), 'rotations': np.zeros((2, 3, 3), np.float32)}


def test_what_is_asked_for_is_returned(tmp_path):
    np.savez(tmp_path / 'a.npz', **GOOD, more=np.arange(7), sigma=np.ones(2))
    arrays = read_arrays(
        tmp_path / 'a.npz', LAYOUT, {'sigma': ('numbers', ('n',)), 'x': ('numbers', ())}
    )
    assert sorted(arrays) == ['name', 'rotations', 'sigma']
    assert np.array_equal(arrays['name'], GOOD['name'])


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'rotations': None}, r'lacks the array rotations \(found: name\)'),
        ({'rotations': np.zeros((3, 3, 3))}, r'rotations of shape \[3, 3, 3\], name one of 2'),
        ({'rotations': np.zeros((2, 3))}, r'rotations of shape \[2, 3\]'),
        ({'rotations': np.zeros((2, 3, 4))}, r'rotations of shape \[2, 3, 4\]'),
        ({'rotations': np.full((2, 3, 3), np.nan)}, 'NaN or infinite numbers in rotations'),
        ({'rotations': np.full((2, 3, 3), 'x')}, 'rotations of <U1, not of numbers'),
        ({'name': np.arange(2)}, 'name of int64, not of texts'),
        ({'name': np.array([{}, []], object)}, 'no .npz file of plain arrays'),
    ],
    ids=['missing', 'too many', 'no matrix', 'wide', 'NaN', 'texts', 'numbers', 'objects'],
)
def test_other_arrays_are_refused_by_name(tmp_path, changes, reason):
    file = tmp_path / 'a.npz'
    np.savez(file, **{n: a for n, a in {**GOOD, **changes}.items() if a is not None})
    with pytest.raises(ValueError, match=reason) as caught:
        read_arrays(file, LAYOUT)
    assert str(caught.value).startswith(str(file))
    assert 'expected name (texts, [n]), rotations (numbers, [n, 3, 3])' in str(caught.value)


def damaged_files(folder):
    """Yield files that are no archives of arrays, or only in parts."""
    np.savez_compressed(folder / 'whole.npz', **GOOD, filling=np.random.default_rng(0).random(999))
    content = (folder / 'whole.npz').read_bytes()
    for place in range(0, len(content), 97):
        yield content[:place]
        yield content[:place] + b'\xff' * 8 + content[place + 8 :]
    yield b'picture,yaw\nx.jpg,1\n'


def test_damage_anywhere_is_one_line(tmp_path):
    file = tmp_path / 'damaged.npz'
    refused = 0
    for content in damaged_files(tmp_path):
        file.write_bytes(content)
        try:
            read_arrays(file, {**LAYOUT, 'filling': ('numbers', (999,))})
        except ValueError as error:
            assert str(error).startswith(str(file)) and '\n' not in str(error)
            refused += 1
    assert refused > 100


def write_faces(folder, pictures, **changes):
    """Write a set of one face, with changes to its labels."""
    labels = {
        'name': np.array(['x.png']),
        'yaw_pitch_roll_deg': np.zeros((1, 3)),
        'rotation_optical': np.eye(3)[None],
        'flip_disagreement_deg': np.zeros(1),
        'in_range': np.ones(1, bool),
    }
    np.savez(folder / 'labels.npz', **{**labels, **changes})
    with zipfile.ZipFile(folder / 'faces_120.zip', 'w') as archive:
        for name, content in pictures.items():
            archive.writestr(name, content)


def png(side):
    return cv2.imencode('.png', np.full((side, side, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize('load', [load_aflw_faces, load_rendered_faces])
@pytest.mark.parametrize(
    ('pictures', 'changes', 'reason'),
    [
        ({'y.png': png(120)}, {}, r'faces_120\.zip does not hold the pictures .*x\.png'),
        ({'x.png': b'no picture'}, {}, r'faces_120\.zip: x\.png is not a readable picture'),
        ({'x.png': b''}, {}, r'faces_120\.zip: x\.png is not a readable picture'),
        ({'x.png': png(60)}, {}, r'x\.png has 60x60 pixels: expected face squares of 120x120'),
        ({'x.png': png(120)}, {'name': np.array(['x.png', 'y'])}, r'labels\.npz has an array'),
    ],
    ids=['missing', 'no picture', 'empty', 'small', 'labels of two'],
)
def test_sets_of_faces_name_what_is_wrong(tmp_path, load, pictures, changes, reason):
    write_faces(tmp_path, pictures, **changes)
    with pytest.raises(ValueError, match=reason):
        load(tmp_path)
    write_faces(tmp_path, {'x.png': png(120)})
    assert load(tmp_path).pictures.shape == (1, 120, 120, 3)


def test_commands_say_it_in_one_line(tmp_path, capsys):
    (tmp_path / 'faces_120.zip').touch()
    np.savez(tmp_path / 'labels.npz', name=np.array(['x.jpg']))
    assert evaluate(['aflw', '--root', str(tmp_path)]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and 'labels.npz lacks the array yaw_pitch_roll_deg' in said[0]


def test_a_head_model_that_is_none_is_named(tmp_path):
    file = tmp_path / 'model.npz'
    file.write_text('a,b\n1,2\n')
    with pytest.raises(ValueError, match=r'model\.npz is no \.npz file of plain arrays'):
        HeadModel.load(file)

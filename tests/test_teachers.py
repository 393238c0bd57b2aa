"""Several teachers: what each always gets wrong is undone, and the surer ones count more."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fsanet_ros.geometry import rotations
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.research.evaluation.known_faces import clip_faces
from fsanet_ros.research.training.label_calibration import (
    Calibration,
    fit_calibration,
    fit_sigma,
    from_seen_by_head_deg,
    seen_by_head_deg,
    slopes,
)
from fsanet_ros.research.training.teacher import FEW_VIEWS, VIEWS, Labels, Teacher, load_teacher
from fsanet_ros.research.training.teachers import (
    Member,
    Teachers,
    entry_of,
    fit_label_variances,
    joined,
    label_variances,
    load_teachers,
    read_calibrations,
    write_calibrations,
)
from fsanet_ros.tools import held_out, label_faces

SHARED = Path(__file__).parents[2] / 'shared'
TEACHERS = [
    SHARED / 'weights' / 'tddfa_v2' / 'tddfa_v2_mb05_rotation.onnx',
    SHARED / 'weights' / 'opentrack' / 'head-pose-0.4-small-int8.onnx',
]
NOTHING = Calibration(np.zeros(3), np.zeros(2))


def poses(count, seed=0):
    rng = np.random.default_rng(seed)
    angles = np.column_stack([rng.uniform(-90, 90, count), *rng.uniform(-50, 50, (2, count))])
    return from_seen_by_head_deg(angles)


def wrong(truth):
    """Return what a teacher says that sees heads turned by 8 % too far and tilted too little."""
    return from_seen_by_head_deg(seen_by_head_deg(truth) * (1.08, 0.9, 1.0))


def teacher_of(answers):
    """Return a teacher that knows its answers, looking once."""
    return Teacher(lambda pictures: answers[: len(pictures)], views=VIEWS[:1])


def test_what_the_head_sees_gives_the_rotation_back():
    truth = rotations.matrix_from_yaw_pitch_roll_deg(
        np.random.default_rng(1).uniform(-180, 180, (500, 3))
    )
    again = from_seen_by_head_deg(seen_by_head_deg(truth))
    assert np.abs(again - truth).max() < 1e-9


def test_a_turned_picture_changes_only_the_turn():
    truth = poses(100)
    turned = rotations.matrix_from_yaw_pitch_roll_deg([0.0, 0.0, 25.0]) @ truth
    difference = seen_by_head_deg(turned) - seen_by_head_deg(truth)
    assert np.abs((difference + 180) % 360 - 180 - (0.0, 0.0, 25.0)).max() < 1e-9


def test_the_scale_of_a_teacher_is_undone():
    truth = poses(1000)
    calibration = fit_calibration(wrong(truth), truth)
    others = poses(300, seed=5)
    assert slopes(wrong(others), others) == pytest.approx((1.08, 0.9), abs=0.01)
    corrected = calibration.corrected(wrong(others))
    assert slopes(corrected, others) == pytest.approx((1.0, 1.0), abs=0.005)
    assert rotations.geodesic_deg(corrected, others).mean() < 0.5


def test_gross_errors_and_where_zero_is_do_not_count():
    truth = poses(1000)
    answers = wrong(truth)
    answers[::10] = poses(100, seed=9)
    raised = seen_by_head_deg(answers) + np.array([0.0, 3.0, 0.0])
    calibration = fit_calibration(from_seen_by_head_deg(raised), truth)
    corrected = seen_by_head_deg(calibration.corrected(wrong(truth)))
    left = np.abs(corrected - seen_by_head_deg(truth))
    assert np.median(left[:, 0]) < 0.5 and np.median(left[:, 1]) < 1.0


def test_mirrored_answers_are_corrected_alike():
    calibration = Calibration(np.array([-3.0, 0.5, 0.1]), np.array([4.0, -1.0]))
    answers = poses(50)
    corrected = calibration.corrected(answers)
    mirrored = calibration.corrected(rotations.mirrored(answers))
    assert rotations.mirrored(mirrored) == pytest.approx(corrected)


def test_too_few_heads_are_refused():
    with pytest.raises(ValueError, match='50 heads are too few'):
        fit_calibration(poses(50), poses(50))


def test_errors_that_grow_with_the_spread_are_found():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0, 6, 20_000)
    errors = np.abs(rng.normal(0, np.sqrt(2.0**2 + (1.5 * spread) ** 2)))
    # The grossest fiftieth is left out, which makes both a little smaller or larger.
    assert fit_sigma(spread, errors) == pytest.approx((2.0, 1.5), abs=0.8)


def test_the_surer_teacher_counts_more():
    truth = poses(4)
    other = rotations.matrix_from_yaw_pitch_roll_deg([0.0, 0.0, 8.0]) @ truth
    pair = [Labels(truth, np.full(4, 1.0)), Labels(other, np.full(4, 1.0))]
    members = [Member(teacher_of(truth), NOTHING, (1.0, 0.0)) for _ in pair]
    equal = joined(pair, members)
    assert rotations.geodesic_deg(equal.rotations, truth) == pytest.approx(4.0)
    # Half of the variance of one, and what they are apart besides.
    assert equal.sigma_deg == pytest.approx(np.sqrt(0.5 + 16.0))
    members[1] = Member(teacher_of(other), NOTHING, (2.0, 0.0))
    assert rotations.geodesic_deg(joined(pair, members).rotations, truth) == pytest.approx(
        1.6, abs=0.01
    )


def test_teachers_take_the_place_of_one():
    truth = poses(3)
    together = Teachers([Member(teacher_of(truth), NOTHING, (1.0, 1.0))] * 2)
    labels = together.label(np.zeros((3, 120, 120, 3), np.uint8))
    assert rotations.geodesic_deg(labels.rotations, truth).max() < 1e-5
    with pytest.raises(ValueError, match='no teachers'):
        Teachers([])


def test_a_calibration_is_found_by_its_file(tmp_path):
    path = tmp_path / 'teachers.json'
    write_calibrations({'abc': entry_of('name', NOTHING, (1.0, 2.0))}, path)
    assert read_calibrations(path)['abc']['sigma'] == [1.0, 2.0]
    assert read_calibrations(tmp_path / 'none.json') == {}


def test_an_unknown_teacher_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        'fsanet_ros.research.training.teachers.load_teacher', lambda path: teacher_of(poses(1))
    )
    (tmp_path / 'mine.onnx').write_bytes(b'mine')
    with pytest.raises(ValueError, match=r'mine\.onnx has not been calibrated'):
        load_teachers([tmp_path / 'mine.onnx'])


def test_a_missing_file_ends_the_command(tmp_path, capsys):
    arguments = ['--teacher', str(tmp_path / 'no.onnx'), '--output', str(tmp_path / 'labels.npz')]
    assert label_faces.main([*arguments, '--root', str(tmp_path)]) == 1
    assert 'is missing' in capsys.readouterr().err


def test_weights_are_not_compared_without_faces(tmp_path, capsys):
    assert held_out.main(['--root', str(tmp_path), '--weights', 'fsanet_1x1']) == 1
    assert 'faces_120.zip is missing' in capsys.readouterr().err


def test_how_far_labels_are_off_is_found_again():
    truth = poses(4000)
    rng = np.random.default_rng(2)
    noise = Rotation.from_rotvec(rng.normal(0.0, (3.0, 2.0, 1.0), (4000, 3)), degrees=True)
    variances = np.array(fit_label_variances(noise.as_matrix() @ truth, truth))
    assert variances.min() >= 0.0
    assert variances[:, 0] == pytest.approx((9.0, 4.0, 1.0), rel=0.25)
    assert np.shape(label_variances()) == (3, 3)


@pytest.mark.skipif(not all(t.is_file() for t in TEACHERS), reason='../shared has no teachers')
def test_both_teachers_see_the_demos_heads():
    seen = itertools.islice(clip_faces(), 0, 200, 10)
    pictures, truth = zip(
        *[
            (
                cut_crop(image, known.square, 120),
                rotations.rotation_to_ray(
                    known.camera.rays([(known.square.center_x, known.square.center_y)])[0]
                ).T
                @ known.rotation,
            )
            for image, known in seen
        ],
        strict=True,
    )
    pictures, truth = np.stack(pictures), np.stack(truth)
    for path in TEACHERS:
        answers = load_teacher(path, threads=1).answers(pictures)
        assert np.median(rotations.geodesic_deg(answers, truth)) < 8.0
    labels = load_teachers(TEACHERS).label(pictures[:4])
    assert labels.sigma_deg is not None and labels.sigma_deg.min() > 1.0
    assert len(FEW_VIEWS) == 4

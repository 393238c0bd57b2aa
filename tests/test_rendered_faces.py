"""Rendered faces have exactly the pose that their label says, and a seed gives them again."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from fsanet_ros.geometry import rotations
from fsanet_ros.research.datasets.faces import load_aflw_faces
from fsanet_ros.research.rendering import (
    Figure,
    HeadModel,
    Lighting,
    rendered_faces,
    rendered_people,
)
from fsanet_ros.research.rendering import rendered_face_files as files
from fsanet_ros.research.rendering.backgrounds import random_background
from fsanet_ros.research.rendering.coverings import Glasses, Hat, LongHair, Mask, Scarf
from fsanet_ros.research.rendering.head_model import SKIN
from fsanet_ros.research.rendering.worn import BareHead
from fsanet_ros.tools import render_faces


@pytest.fixture(scope='module')
def head(model):
    return BareHead(model.mean[model.part == SKIN], model.mean[model.landmarks])


# What is drawn


@pytest.fixture(scope='module')
def poses():
    rng = np.random.default_rng(0)
    drawn = [rendered_faces.draw_angles_deg(rng) for _ in range(3000)]
    return np.array([angles for angles, _ in drawn]), np.array([inside for _, inside in drawn])


def test_poses_in_the_papers_range_show_the_face(poses):
    angles, in_range = poses
    assert np.abs(angles[in_range]).max() <= 99.0
    assert max(rendered_faces.away_deg(pose) for pose in angles[in_range]) <= 100.0
    assert np.abs(angles[:, 1]).max() <= 80.0 and np.abs(angles[:, 2]).max() <= 60.0


def test_poses_are_broad_and_centred(poses):
    angles, in_range = poses
    assert np.abs(np.median(angles, axis=0)).max() < 3.0
    assert np.mean(np.abs(angles[in_range, 0]) > 60.0) > 0.15
    assert np.mean(np.abs(angles[in_range, 1]) > 45.0) > 0.10
    assert 0.05 < 1.0 - in_range.mean() < 0.11 and np.abs(angles[:, 0]).max() > 150.0


def test_people_and_light_are_the_same_for_the_same_seed(model):
    def drawn(seed):
        rng = np.random.default_rng(seed)
        return (
            rendered_people.draw_appearance(rng),
            rendered_people.draw_worn(rng),
            rendered_people.draw_expression(model.expression_names, rng),
            rendered_people.draw_lighting(rng),
            rendered_people.draw_identity(rng).tolist(),
        )

    assert drawn(4) == drawn(4) != drawn(5)


def test_expressions_are_the_models_and_within_limits(model):
    rng = np.random.default_rng(0)
    for _ in range(300):
        drawn = rendered_people.draw_expression(model.expression_names, rng)
        assert drawn.keys() <= set(model.expression_names)
        assert all(0.0 <= value <= 1.0 for value in drawn.values())
        masked = rendered_people.draw_expression(model.expression_names, rng, 'glasses+mask')
        assert not any(name.startswith('mouth') for name in masked)


def test_harsh_light_comes_from_every_side():
    lights = [Lighting.harsh(seed) for seed in range(300)]
    directions = np.array([light.key_direction for light in lights])
    assert directions.min() < -0.7 and directions[:, [0, 2]].max() > 0.7
    assert all(min(*light.key, *light.fill, *light.ambient) >= 0.0 for light in lights)


def test_backgrounds_are_light_and_repeatable():
    for seed in range(30):
        picture, again = (
            random_background(120, 110, np.random.default_rng(seed)) for _ in range(2)
        )
        assert picture.shape == (110, 120, 3) and np.isfinite(picture).all()
        assert picture.min() >= 0.0 and np.array_equal(picture, again)


# The label


def fitted_rotation(points_m, points_px, start):
    """Return the rotation that explains the points best, seen from far away."""

    def error(unknown):
        turned = points_m @ Rotation.from_rotvec(unknown[:3]).as_matrix().T
        return (unknown[3] * turned[:, :2] + unknown[4:] - points_px).ravel()

    scale = np.ptp(points_px, axis=0).max() / 0.13
    first = [*Rotation.from_matrix(start).as_rotvec(), scale, *points_px.mean(axis=0)]
    return Rotation.from_rotvec(least_squares(error, first, x_scale='jac').x[:3]).as_matrix()


def test_label_is_the_pose_against_the_ray(figure, monkeypatch):
    monkeypatch.setattr(rendered_faces, 'draw_expression', lambda *_: {})
    # Far away, where the picture is that of a parallel projection along the ray.
    monkeypatch.setattr(rendered_faces, 'DISTANCES_M', (3.0, 3.0))
    rng = np.random.default_rng(1)
    for _ in range(4):
        face = rendered_faces.render_face(figure, 'none', rng)
        wrong = face.rotation @ Rotation.from_rotvec([0.2, -0.2, 0.1]).as_matrix()
        found = fitted_rotation(figure.landmarks(), face.landmarks_px, wrong)
        # A head 20 degrees off the axis is stretched by a few percent.
        assert rotations.geodesic_deg(found, face.rotation) < 3.0
        agree = rotations.matrix_from_yaw_pitch_roll_deg(face.angles_deg)
        assert rotations.geodesic_deg(agree, face.rotation) < 1e-6


@pytest.mark.parametrize('yaw, pitch', [(40.0, 0.0), (-40.0, 0.0), (0.0, 40.0), (95.0, 10.0)])
def test_nose_points_where_the_label_says(figure, monkeypatch, yaw, pitch):
    monkeypatch.setattr(
        rendered_faces, 'draw_angles_deg', lambda *_: (np.array([yaw, pitch, 0.0]), True)
    )
    monkeypatch.setattr(rendered_faces, 'draw_expression', lambda *_: {})
    face = rendered_faces.render_face(figure, 'none', np.random.default_rng(2))
    assert np.allclose(face.angles_deg, [yaw, pitch, 0.0], atol=0.5)
    eyes, tip = face.landmarks_px[36:48].mean(axis=0), face.landmarks_px[30]
    if yaw:
        assert np.sign(eyes[0] - tip[0]) == np.sign(yaw)  # yaw > 0: to the image's left
    else:
        # Looking up, the nose's tip is seen above the ears.
        assert tip[1] < face.landmarks_px[[0, 16], 1].min() - 5.0


def test_square_is_centred_and_has_no_border(figure):
    rng = np.random.default_rng(3)
    for _ in range(3):
        face = rendered_faces.render_face(figure, 'none', rng)
        low, high = face.landmarks_px.min(axis=0), face.landmarks_px.max(axis=0)
        assert np.abs((low + high) / 2 - 60.0).max() < 1.0
        assert np.sqrt(2.0) * (high - low).max() == pytest.approx(120.0, abs=1.5)
        assert face.picture.shape == (120, 120, 3) and face.picture.dtype == np.uint8


def test_same_seed_gives_the_same_picture(figure):
    faces = [
        rendered_faces.render_face(figure, 'none', np.random.default_rng(seed))
        for seed in (7, 7, 8)
    ]
    assert np.array_equal(faces[0].picture, faces[1].picture)
    assert np.array_equal(faces[0].rotation, faces[1].rotation)
    assert not np.array_equal(faces[0].picture, faces[2].picture)


# What is worn


@pytest.mark.parametrize('wear', [Hat(), Hat(peak_m=0.06), Scarf(), LongHair(), Mask()])
def test_cloth_and_hair_lie_around_the_head(head, wear):
    shell = wear(head)[0]
    middle = np.array([0.0, 0.0, 0.09])
    skin = head.skin[np.abs(head.skin - shell.vertices[0]).sum(axis=1).argmin()]
    # Its middle point stands off the skin, but no more than a thick hood does.
    gap = np.linalg.norm(shell.vertices[0] - middle) - np.linalg.norm(skin - middle)
    assert 0.0 < gap < 0.03
    assert np.isfinite(shell.vertices).all()
    assert shell.triangles.min() == 0 and shell.triangles.max() == len(shell.vertices) - 1


def test_mask_hides_mouth_and_nostrils_and_follows_the_chin(head):
    mask = Mask()(head)[0]
    for landmark in (33, 51, 57, 8):
        point = head.landmarks[landmark]
        beside = np.abs(mask.vertices[:, :2] - point[:2]).sum(axis=1) < 0.006
        assert mask.vertices[beside, 2].min() < point[2]
    assert mask.with_jaw.max() == 1.0 and mask.with_jaw.min() == 0.0


def test_glasses_sit_before_the_eyes_and_reach_the_ears(head):
    vertices = np.concatenate([piece.vertices for piece in Glasses(lens=(0.1, 0.1, 0.1))(head)])
    eyes = head.landmarks[36:48]
    assert vertices[:, 2].min() < eyes[:, 2].min() and vertices[:, 2].max() > 0.09
    assert np.abs(vertices[:, 0].max() + vertices[:, 0].min()) < 0.004


def test_what_is_worn_is_drawn_and_leaves_the_landmarks(model, figure):
    dressed = Figure(model, sky_directions=0, worn=[Hat(), Mask(), Glasses()])
    assert len(dressed.vertices(np.eye(3), np.array([0.0, 0.0, 1.0]), np.eye(3))) == len(
        dressed.part
    )
    assert np.array_equal(dressed.landmarks(), figure.landmarks())
    closed, opened = dressed.head_vertices(), dressed.head_vertices({'jawOpen': 1.0})
    moved = np.abs(opened - closed).max(axis=1)[len(figure.part) :]
    assert moved.max() > 0.01 and moved.min() == 0.0


# Files


@pytest.fixture
def painted(monkeypatch):
    """Replace the renderer by something quick; returns the people asked for."""
    people = []

    def render_person(_, count, seed, *, bare):
        people.append(seed)
        rng = np.random.default_rng(seed)
        for _ in range(count):
            angles = rng.uniform(-60, 60, 3)
            yield rendered_faces.RenderedFace(
                rng.integers(0, 255, (120, 120, 3), np.uint8),
                rotations.matrix_from_yaw_pitch_roll_deg(angles),
                angles,
                rng.uniform(0, 120, (68, 2)),
                True,
            )

    monkeypatch.setattr(files, 'render_person', render_person)
    monkeypatch.setattr(HeadModel, 'load', lambda path=None: None)
    return people


def test_set_is_read_as_the_other_faces_are(tmp_path, painted):
    assert render_faces.main(['--output', str(tmp_path), '--count', '150', '--seed', '3']) == 0
    faces = load_aflw_faces(tmp_path)
    assert len(faces) == 200 and faces.pictures.shape == (200, 120, 120, 3)
    expected = rotations.matrix_from_yaw_pitch_roll_deg(faces.angles_deg)
    assert rotations.geodesic_deg(expected, faces.rotations).max() < 1e-6
    labels = np.load(tmp_path / 'labels.npz')
    assert len(np.unique(labels['person'])) == len(set(painted)) == 10
    assert labels['landmarks68'].shape == (200, 68, 2) and set(labels['covered']) == {'none'}


def test_stopped_run_goes_on_and_the_bytes_are_the_same(tmp_path, painted):
    whole, again = tmp_path / 'whole', tmp_path / 'again'
    assert render_faces.main(['--output', str(whole), '--count', '200']) == 0
    assert render_faces.main(['--output', str(again), '--count', '100']) == 0
    rendered = len(painted)
    assert render_faces.main(['--output', str(again), '--count', '200']) == 0
    assert len(painted) == rendered + files.PERSONS_PER_PART
    assert (whole / 'faces_120.zip').read_bytes() == (again / 'faces_120.zip').read_bytes()


def test_another_seed_is_not_mixed_in(tmp_path, painted, capsys):
    arguments = ['--output', str(tmp_path), '--count', '100', '--seed']
    assert render_faces.main([*arguments, '1']) == 0
    assert render_faces.main([*arguments, '2']) == 1
    assert 'seed 1, not 2' in capsys.readouterr().err


def test_missing_model_is_named(tmp_path, capsys):
    arguments = ['--output', str(tmp_path), '--model', str(tmp_path / 'none.npz')]
    assert render_faces.main(arguments) == 1
    assert 'ICT-FaceKit' in capsys.readouterr().err

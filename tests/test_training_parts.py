"""What training is made of: losses, optimizers, a teacher's labels, several sets of faces."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.geometry import rotations  # noqa: E402
from fsanet_ros.inference.runtime import make_runtime  # noqa: E402
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights  # noqa: E402
from fsanet_ros.network.fsanet import FSANet  # noqa: E402
from fsanet_ros.research.augmentation.varied_crops import (  # noqa: E402
    Augmentation,
    augment,
    central_crops,
)
from fsanet_ros.research.datasets.faces import LabelledFaces, join, joined  # noqa: E402
from fsanet_ros.research.datasets.labelled_images import LabelledImage  # noqa: E402
from fsanet_ros.research.datasets.pointing04 import PROTOCOL_2_TEST  # noqa: E402
from fsanet_ros.research.training import marks_on_a_wall, teacher  # noqa: E402
from fsanet_ros.research.training.batches import Batch, sampling  # noqa: E402
from fsanet_ros.research.training.losses import geodesic_deg, matrices, pose_loss_deg  # noqa: E402
from fsanet_ros.research.training.optimizers import (  # noqa: E402
    Muon,
    as_matrices,
    is_matrix,
    make_optimizers,
    orthogonal,
)
from fsanet_ros.research.training.recipe import Recipe  # noqa: E402
from fsanet_ros.research.training.teacher import (  # noqa: E402
    VIEWS,
    Labels,
    Teacher,
    load_teacher,
    look,
    mean_rotations,
)
from fsanet_ros.research.training.training_data import (  # noqa: E402
    Sources,
    load_further,
    load_training,
)
from fsanet_ros.research.training.training_loop import Trainer  # noqa: E402

torch.set_num_threads(1)
RNG = np.random.default_rng(4)


def angles(count, spread=40.0):
    return RNG.uniform(-spread, spread, (count, 3))


# ---- losses


def test_the_loss_turns_angles_into_the_same_rotations_as_the_library():
    deg = angles(20, 80.0)
    assert matrices(torch.from_numpy(deg)).numpy() == pytest.approx(
        rotations.matrix_from_yaw_pitch_roll_deg(deg), abs=1e-12
    )


def test_the_loss_measures_the_angle_between_rotations():
    a, b = angles(20), angles(20)
    expected = rotations.geodesic_deg(
        rotations.matrix_from_yaw_pitch_roll_deg(a), rotations.matrix_from_yaw_pitch_roll_deg(b)
    )
    found = geodesic_deg(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert found == pytest.approx(expected, abs=0.01)


def test_the_loss_has_finite_gradients_where_there_is_no_error_and_at_half_a_turn():
    truth = torch.tensor([[10.0, 20.0, 30.0], [0.0, 0.0, 0.0]])
    estimated = torch.tensor([[10.0, 20.0, 30.0], [180.0, 0.0, 0.0]], requires_grad=True)
    pose_loss_deg(estimated, truth, 0.5).backward()
    assert torch.isfinite(estimated.grad).all()


def test_upside_down_a_jump_of_the_angle_is_no_error():
    a, b = torch.tensor([[0.0, 0.0, 179.0]]), torch.tensor([[0.0, 0.0, -179.0]])
    assert float(pose_loss_deg(a, b, 0.5)) < 2.0


def test_a_share_of_0_is_the_papers_loss():
    a, b = torch.from_numpy(angles(5)), torch.from_numpy(angles(5))
    assert pose_loss_deg(a, b, 0.0) == (a - b).abs().mean()
    assert pose_loss_deg(a, b, 1.0) == pytest.approx(float(geodesic_deg(a, b).mean() / 1.6))


# ---- optimizers


def test_muon_makes_steps_whose_singular_values_are_about_1():
    for shape in ((3, 16, 64), (2, 40, 9), (1, 30, 30)):
        x = orthogonal(torch.from_numpy(RNG.normal(0, 5, shape)))
        assert x.shape == shape
        values = torch.linalg.svdvals(x)
        assert values.min() > 0.3 and values.max() < 1.4


def test_muon_has_the_matrices_and_adamw_the_rest():
    network = FSANet()
    optimizers = make_optimizers(Recipe(optimizer='muon'), network)
    assert [type(o) for o in optimizers] == [Muon, torch.optim.AdamW]
    of_muon = {id(p) for p in optimizers[0].param_groups[0]['params']}
    of_adamw = {id(p) for p in optimizers[1].param_groups[0]['params']}
    assert not of_muon & of_adamw
    assert of_muon | of_adamw == {id(p) for p in network.parameters()}
    names = {name for name, p in network.named_parameters() if id(p) in of_muon}
    assert 'aggregation.weight' in names and 'structure.rows.weight' in names
    assert not any('depthwise' in n or 'bias' in n or 'norm' in n for n in names)
    count = sum(p.numel() for p in optimizers[0].param_groups[0]['params'])
    assert count > 0.9 * sum(p.numel() for p in network.parameters())


def test_a_1x1_convolution_is_one_matrix_and_a_depthwise_kernel_none():
    assert as_matrices(torch.zeros(32, 16, 1, 1)).shape == (1, 32, 16)
    assert as_matrices(torch.zeros(3, 21, 16, 64)).shape == (63, 16, 64)
    assert not is_matrix(torch.zeros(32, 1, 3, 3))
    assert not is_matrix(torch.zeros(4, 3)) and not is_matrix(torch.zeros(8))


@pytest.mark.parametrize('optimizer', ['muon', 'adamw'])
def test_a_run_in_bfloat16_with_either_optimizer_resumes_to_the_same_weights(tmp_path, optimizer):
    recipe = Recipe(
        samples=32, batch_size=4, warmup_steps=2, optimizer=optimizer, precision='bfloat16'
    )
    recipe = dataclasses.replace(recipe, rotation_share=0.5)
    crops = RNG.integers(0, 256, (8, 4, 64, 64, 3), np.uint8)
    batches = [Batch(c, angles(4).astype(np.float32)) for c in crops]
    whole, first, second = (Trainer(recipe) for _ in range(3))
    losses = [whole.train_step(b) for b in batches]
    for b in batches[:3]:
        first.train_step(b)
    first.save(tmp_path)
    assert second.resume(tmp_path)
    assert [second.train_step(b) for b in batches[3:]] == losses[3:]
    after = zip(whole.network.parameters(), second.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in after)


# ---- a teacher's labels


def test_every_view_is_undone():
    # A teacher that reads the pose from where three spots are in the picture.
    size = 120
    truth = rotations.matrix_from_yaw_pitch_roll_deg([0.0, 0.0, 25.0])
    middle = (size - 1) / 2
    y, x = np.mgrid[:size, :size] - middle
    turned = np.stack([x, y], -1) @ truth[:2, :2]
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 0] = 255 * np.exp(-((turned[..., 0] - 25) ** 2 + turned[..., 1] ** 2) / 60)
    picture[..., 1] = 255 * np.exp(-((turned[..., 0] + 25) ** 2 + turned[..., 1] ** 2) / 60)

    def read(pictures):
        answers = []
        for seen in pictures.astype(float):
            left, right = (
                np.array([(seen[..., c] * g).sum() / seen[..., c].sum() for g in (x, y)])
                for c in (1, 0)
            )
            across = right - left
            if across[0] < 0:  # mirrored: the spots are exchanged
                across = -across
            roll = np.degrees(np.arctan2(across[1], across[0]))
            answers.append(rotations.matrix_from_yaw_pitch_roll_deg([0.0, 0.0, roll]))
        return np.stack(answers)

    labels = Teacher(read).label(np.stack([picture] * 3))
    assert rotations.geodesic_deg(labels.rotations[0], truth) < 0.3
    assert (labels.spread_deg < 0.5).all()


def test_views_come_in_mirrored_pairs_and_the_first_is_plain():
    assert len(VIEWS) == 16 and sum(v.mirror for v in VIEWS) == 8
    picture = RNG.integers(0, 256, (120, 120, 3), np.uint8)
    assert (look(picture, VIEWS[0]) == picture).all()
    assert (look(picture, VIEWS[1]) == picture[:, ::-1]).all()


def test_the_mean_of_rotations_is_a_rotation_near_all_of_them():
    middle = rotations.matrix_from_yaw_pitch_roll_deg(angles(5))
    small = rotations.matrix_from_yaw_pitch_roll_deg(RNG.normal(0, 3, (200, 3)))
    mean = mean_rotations(np.stack([m @ small for m in middle]))
    assert np.linalg.det(mean) == pytest.approx(np.ones(5))
    assert (rotations.geodesic_deg(mean, middle) < 1.0).all()


def test_a_missing_teacher_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'teacher\.onnx is missing'):
        load_teacher(tmp_path / 'teacher.onnx')


def test_weights_of_this_package_can_teach():
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    taught = load_teacher(find_weights(DEFAULT_WEIGHTS, '.onnx'), threads=1)
    pictures = RNG.integers(0, 256, (2, 120, 120, 3), np.uint8)
    runtime = make_runtime(name='onnxruntime')
    seen = central_crops(pictures, runtime.description.crop_scale)
    expected = rotations.matrix_from_yaw_pitch_roll_deg(runtime(seen))
    assert rotations.geodesic_deg(taught.answers(pictures), expected) == pytest.approx(0, abs=1e-3)
    assert taught.tilt_gain == 1.0


# ---- marks on a wall


def test_labels_lie_between_the_teacher_and_the_marks():
    marks = np.array([[0.0, -30.0]] * 10 + [[0.0, 30.0]] * 10)
    pitch = np.concatenate([RNG.normal(-20, 4, 10), RNG.normal(20, 4, 10)])
    roll = RNG.normal(0, 5, 20)
    answers = rotations.matrix_from_yaw_pitch_roll_deg(np.column_stack([np.zeros(20), pitch, roll]))
    labels = marks_on_a_wall.between(answers, marks, tilt_gain=1.15)
    found = rotations.yaw_pitch_roll_deg_from_matrix(labels)
    assert np.linalg.det(labels) == pytest.approx(np.ones(20))
    for low in (0, 10):
        of_mark = np.s_[low : low + 10]
        assert np.ptp(found[of_mark, 1]) == pytest.approx(0.4 * np.ptp(pitch[of_mark]), abs=0.2)
        assert np.sign(found[of_mark, 1]).tolist() == np.sign(marks[of_mark, 1]).tolist()
    assert found[:, 2] == pytest.approx(roll, abs=0.5)


def test_the_people_of_protocol_2_are_never_trained_on(tmp_path, monkeypatch):
    people = [
        LabelledImage(tmp_path / f'{i:02d}.jpg', (100, 50, 150, 110), (0, 0, 0), f'{i:02d}')
        for i in range(1, 16)
    ]
    monkeypatch.setattr(marks_on_a_wall, 'read_pointing04', lambda root: people)
    monkeypatch.setattr(
        marks_on_a_wall, 'read_picture', lambda labelled: np.zeros((200, 200, 3), np.uint8)
    )
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([5.0, 0.0, 0.0])
    says = SimpleNamespace(
        label=lambda pictures: Labels(np.stack([rotation] * len(pictures)), np.zeros(1)),
        tilt_gain=1.0,
    )
    found = marks_on_a_wall.pointing04_faces(tmp_path, says)
    read = {Path(name).stem for name in found.names}
    assert found.pictures.shape == (8, 120, 120, 3)
    assert sorted({*read, *PROTOCOL_2_TEST}) == [p.group for p in people]
    assert not read & set(PROTOCOL_2_TEST)
    assert PROTOCOL_2_TEST == ('02', '04', '06', '08', '10', '12', '14')


# ---- several sets


def faces(count, name):
    deg = angles(count)
    return LabelledFaces(
        RNG.integers(0, 256, (count, 80, 80, 3), np.uint8),
        rotations.matrix_from_yaw_pitch_roll_deg(deg),
        deg,
        np.array([f'{name}{i}' for i in range(count)]),
    )


def test_sets_are_drawn_by_their_shares_whatever_their_sizes():
    both = join({'aflw': faces(30, 'a'), 'rendered': faces(200, 'r')})
    chances = sampling(both, Recipe(also={'rendered': 0.1}))
    assert chances.sum() == pytest.approx(1)
    assert chances[both.sets == 'rendered'].sum() == pytest.approx(0.1)


def test_sets_of_other_sizes_are_refused():
    small = dataclasses.replace(faces(3, 'b'), pictures=np.zeros((3, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match='different sizes'):
        join({'a': faces(3, 'a'), 'b': small})


def test_a_source_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match='also draws from rendered: expected --also rendered='):
        load_training(Recipe(also={'rendered': 0.1}), Sources(tmp_path))
    with pytest.raises(ValueError, match='needs a teacher: expected --teacher'):
        load_training(Recipe(labels='teacher'), Sources(tmp_path))


def test_a_set_of_two_folders_is_refused_where_only_one_makes_sense(tmp_path):
    recipe = Recipe(also={'pointing04': 0.1})
    folders = {'pointing04': [tmp_path, tmp_path]}
    with pytest.raises(ValueError, match='given 2 times: expected one folder'):
        load_further('pointing04', recipe, Sources(tmp_path, folders))


def test_folders_of_one_set_become_one_set():
    both = joined([faces(3, 'a'), faces(2, 'b')])
    assert both.sets is None
    assert [name[0] for name in both.names] == ['a', 'a', 'a', 'b', 'b']


# ---- what is varied


def test_shares_of_0_draw_nothing_so_that_older_recipes_stay_what_they_are():
    picture = RNG.integers(0, 256, (120, 120, 3), np.uint8)
    before, after = np.random.default_rng(1), np.random.default_rng(1)
    first, _ = augment(picture, np.eye(3), Augmentation(), before)
    second, _ = augment(picture, np.eye(3), Augmentation(blur_sigma_max=3.0), after)
    assert (first == second).all() and before.random() == after.random()


@pytest.mark.parametrize('share', ['blur_share', 'jpeg_share', 'dark_share', 'cover_share'])
def test_each_kind_of_damage_changes_the_picture_but_not_the_pose(share):
    picture = np.full((120, 120, 3), 128, np.uint8)
    picture[::12] = (250, 10, 20)
    picture[:, ::12] = (10, 250, 200)
    still = Augmentation(
        mirror_share=0,
        roll_share=0,
        scale_min=0.9,
        scale_max=0.9,
        shift_sigma=0,
        gain_sigma=0,
        offset_sigma=0,
        colour_sigma=0,
        grey_share=0,
        low_resolution_share=0,
        noise_share=0,
        bar_share=0,
    )
    pose = rotations.matrix_from_yaw_pitch_roll_deg([10.0, 20.0, 30.0])
    plain, _ = augment(picture, pose, still, np.random.default_rng(3))
    damaged, found = augment(
        picture, pose, dataclasses.replace(still, **{share: 1.0}), np.random.default_rng(3)
    )
    assert damaged.shape == plain.shape and damaged.dtype == np.uint8
    assert np.abs(damaged.astype(int) - plain).mean() > 0.5
    assert (found == pose).all()
    if share == 'dark_share':
        assert damaged.mean() < 0.55 * plain.mean()


def test_the_teacher_module_needs_no_torch():
    assert 'torch' not in vars(teacher)

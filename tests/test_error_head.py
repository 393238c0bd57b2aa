"""The network says how far off it may be, and knows what is no face, without other angles."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
pytest.importorskip('onnx', reason='onnx is not installed')

from scipy.spatial.transform import Rotation  # noqa: E402

from fsanet_ros.geometry import rotations  # noqa: E402
from fsanet_ros.inference.crops import cut_crop  # noqa: E402
from fsanet_ros.inference.description import Description  # noqa: E402
from fsanet_ros.inference.network_config import NetworkConfig  # noqa: E402
from fsanet_ros.inference.onnx_runtime import OnnxRuntime  # noqa: E402
from fsanet_ros.inference.passes import mirrored_pass, single_pass  # noqa: E402
from fsanet_ros.inference.runtime import make_runtime  # noqa: E402
from fsanet_ros.inference.uncertainty import features  # noqa: E402
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights  # noqa: E402
from fsanet_ros.network.fusion import Fusion  # noqa: E402
from fsanet_ros.network.onnx_export import write_weights  # noqa: E402
from fsanet_ros.network.state_files import load_network  # noqa: E402
from fsanet_ros.network.torch_runtime import TorchRuntime  # noqa: E402
from fsanet_ros.network.variants import build_network  # noqa: E402
from fsanet_ros.research.augmentation.varied_crops import central_crops  # noqa: E402
from fsanet_ros.research.datasets.faces import LabelledFaces  # noqa: E402
from fsanet_ros.research.evaluation.known_faces import clip_faces  # noqa: E402
from fsanet_ros.research.evaluation.pose_errors import mean_errors_deg  # noqa: E402
from fsanet_ros.research.training.error_head_training import with_error_head  # noqa: E402
from fsanet_ros.research.training.recipe import Recipe  # noqa: E402

torch.set_num_threads(1)  # the networks are small: waiting for each other costs more

RNG = np.random.default_rng(0)
CROPS = RNG.integers(0, 256, (5, 64, 64, 3), np.uint8)


@pytest.fixture(scope='module')
def clip():
    """Return every fifth head of the demo's clip: face squares of 120 pixels and rotations."""
    known = [(cut_crop(i, k.square, 120), k.rotation) for i, k in clip_faces()][::5]
    pictures, truth = map(np.stack, zip(*known, strict=True))
    angles = rotations.yaw_pitch_roll_deg_from_matrix(truth)
    names = np.array([f'{i}.jpg' for i in range(len(truth))])
    return LabelledFaces(pictures, truth, angles, names)


@pytest.fixture(scope='module')
def shipped():
    return make_runtime(DEFAULT_WEIGHTS)


def random_network(scoring='1x1', error_head=True):
    torch.manual_seed(3)
    network = build_network(NetworkConfig(scoring, error_head=error_head)).eval()
    if error_head:
        torch.nn.init.normal_(network.error_head.output.weight)
    return network


def as_description(name):
    return Description(name, crop_scale=0.9)


def as_input(crops):
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float()


# ---- the head


def test_a_head_leaves_the_angles_as_they_are():
    with torch.inference_mode():
        plain = random_network(error_head=False)(as_input(CROPS))
        network = random_network()
        angles, errors = network.with_expected_error(as_input(CROPS))
        assert torch.equal(plain, network(as_input(CROPS)))
    assert torch.equal(plain, angles)
    assert errors.shape == (5,)
    assert ((errors >= 0.5) & (errors <= 90.0)).all()


@pytest.mark.parametrize('scoring', ['1x1', 'variance', 'none'])
def test_both_runtimes_say_the_same(tmp_path, scoring):
    write_weights(random_network(scoring), as_description('headed'), tmp_path)
    answers = [
        kind(tmp_path / f'headed{suffix}').with_expected_error(CROPS)
        for kind, suffix in ((OnnxRuntime, '.onnx'), (TorchRuntime, '.safetensors'))
    ]
    assert answers[0][0] == pytest.approx(answers[1][0], abs=1e-3)
    assert answers[0][1] == pytest.approx(answers[1][1], rel=1e-3)
    assert len(set(np.round(answers[0][1], 6))) > 1


def test_a_fusion_says_the_mean(tmp_path):
    members = [random_network('1x1'), random_network('variance')]
    write_weights(Fusion(members, 'rotations'), as_description('fused'), tmp_path)
    with torch.inference_mode():
        expected = [m.with_expected_error(as_input(CROPS))[1].numpy() for m in members]
    runtime = OnnxRuntime(tmp_path / 'fused.onnx')
    assert runtime.description.has_error_head
    assert runtime.with_expected_error(CROPS)[1] == pytest.approx(np.mean(expected, 0), rel=1e-4)
    assert runtime.with_expected_error(CROPS[:0])[1].shape == (0,)


def test_networks_without_a_head_do_not_say(tmp_path):
    write_weights(random_network(error_head=False), as_description('plain'), tmp_path)
    for kind, suffix in ((OnnxRuntime, '.onnx'), (TorchRuntime, '.safetensors')):
        runtime = kind(tmp_path / f'plain{suffix}')
        assert runtime.with_expected_error(CROPS)[1] is None
        assert runtime.with_expected_error(CROPS[:0])[1] is None
        assert mirrored_pass(runtime, CROPS).expected_errors_deg is None


def test_two_passes_say_their_mean(shipped):
    answers = mirrored_pass(shipped, CROPS)
    both = [single_pass(shipped, c).expected_errors_deg for c in (CROPS, CROPS[:, :, ::-1].copy())]
    assert answers.expected_errors_deg == pytest.approx(np.mean(both, axis=0), rel=1e-4)


# ---- how it is taught


def test_it_learns_what_is_no_face(clip):
    network, description = load_network(find_weights('fsanet_1x1', '.safetensors'))
    plain = build_network(dataclasses.replace(network.config, error_head=False)).eval()
    plain.load_state_dict(network.state_dict(), strict=False)
    recipe = Recipe(samples=64, batch_size=32, error_head_samples=32 * 60)
    half = np.arange(len(clip)) % 2 == 0
    taught = with_error_head(plain, recipe, clip.select(half), None)
    crops = central_crops(clip.pictures[~half], description.crop_scale)
    with torch.inference_mode():
        assert torch.equal(plain(as_input(crops)), taught(as_input(crops)))
        _, of_faces = taught.with_expected_error(as_input(crops))
        _, of_noise = taught.with_expected_error(as_input(CROPS))
    assert of_noise.min() > 3 * of_faces.median()
    again = with_error_head(plain, recipe, clip.select(half), None)
    for name, value in taught.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_error_is_that_about_an_axis():
    turn = Rotation.from_rotvec([0.0, 9.0, -3.0], degrees=True).as_matrix()
    answers = rotations.matrix_from_yaw_pitch_roll_deg([[40.0, 10.0, 5.0]])
    assert mean_errors_deg(np.array([[40.0, 10.0, 5.0]]), turn @ answers) == pytest.approx([4.0])


def test_recipes_that_cannot_have_a_head_are_refused():
    with pytest.raises(ValueError, match='error_head_samples is 5, architecture ssrnet'):
        Recipe(architecture='ssrnet', error_head_samples=5)
    with pytest.raises(ValueError, match='SSR-Net-MD has no error head'):
        NetworkConfig(architecture='ssrnet', error_head=True)


# ---- what the shipped weights say


def test_worse_pictures_of_faces_are_expected_to_be_further_off(shipped, clip):
    def expected(pictures):
        return np.median(expected_of(shipped, pictures))

    dark = (clip.pictures * 0.12 + RNG.normal(0, 4, clip.pictures.shape)).clip(0, 255)
    small = np.stack([tiny(picture) for picture in clip.pictures])
    assert expected(clip.pictures) < 4.0
    assert expected(dark.astype(np.uint8)) > 1.15 * expected(clip.pictures)
    assert expected(small) > 1.3 * expected(clip.pictures)


def test_what_is_no_face_is_known_to_be_none(shipped, clip):
    of_faces = np.quantile(expected_of(shipped, clip.pictures), 0.95)
    noise = RNG.integers(0, 256, (40, 120, 120, 3), np.uint8)
    ramps = np.stack([ramp(angle) for angle in np.linspace(0, 2 * np.pi, 20)])
    for odd in (clip.pictures[:, ::-1].copy(), noise, ramps):
        found = expected_of(shipped, odd)
        assert np.mean(found > max(12.0, of_faces)) > 0.85


@pytest.mark.parametrize('one_pass', [single_pass, mirrored_pass])
def test_the_covariance_says_that_little_is_known(shipped, clip, one_pass):
    def sigma(pictures):
        count = len(pictures)
        answers = one_pass(shipped, central_crops(pictures, shipped.description.crop_scale))
        known = features(answers, np.full(count, 0.9), np.full(count, 100.0))
        return np.median(shipped.description.rotation_error.sigma_deg(known).max(axis=1))

    ramps = np.stack([ramp(angle) for angle in np.linspace(0, 2 * np.pi, 20)])
    for odd in (clip.pictures[:, ::-1].copy(), ramps):
        assert sigma(odd) > max(20.0, 4 * sigma(clip.pictures))


def expected_of(runtime, pictures):
    crops = central_crops(pictures, runtime.description.crop_scale)
    return runtime.with_expected_error(crops)[1]


def tiny(picture):
    import cv2

    small = cv2.resize(picture, (12, 12), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (120, 120))


def ramp(angle):
    y, x = np.mgrid[-1:1:120j, -1:1:120j]
    grey = 127 + 90 * (np.cos(angle) * x + np.sin(angle) * y)
    return np.repeat(grey[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)

"""Fusion: the paper's mean of angles, or the mean rotation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.geometry import rotations  # noqa: E402
from fsanet_ros.inference.network_config import NetworkConfig  # noqa: E402
from fsanet_ros.network.fusion import Fusion, mean_angles, mean_rotation  # noqa: E402
from fsanet_ros.network.variants import build_network  # noqa: E402


def matrices(angles_deg):
    return rotations.matrix_from_yaw_pitch_roll_deg(np.asarray(angles_deg, np.float64))


def distance_deg(one, other):
    return np.degrees(Rotation.from_matrix(one @ np.swapaxes(other, -1, -2)).magnitude())


def around(rng, members, count, spread_deg):
    """Return angles of members that each are off from common rotations, anywhere."""
    truth = Rotation.random(count, rng)
    found = []
    for _ in range(members):
        turn = Rotation.from_rotvec(np.radians(rng.normal(0, spread_deg, (count, 3))))
        found.append(rotations.yaw_pitch_roll_deg_from_matrix((turn * truth).as_matrix()))
    return np.array(found)


@pytest.mark.parametrize('members', [2, 3, 5])
def test_the_mean_rotation_is_the_closest_to_all_members(members):
    angles = around(np.random.default_rng(0), members, 200, 6.0)
    found = mean_rotation(torch.from_numpy(angles)).numpy()
    expected = [Rotation.from_matrix(matrices(face)).mean().as_matrix() for face in
                angles.transpose(1, 0, 2)]  # fmt: skip
    assert distance_deg(matrices(found), np.array(expected)).max() < 0.1


def test_the_mean_of_members_that_agree_is_what_they_say():
    angles = np.random.default_rng(1).uniform(-89, 89, (50, 3))
    same = torch.from_numpy(np.stack([angles] * 3))
    assert np.allclose(mean_angles(same), angles)
    assert np.allclose(mean_rotation(same), angles, atol=1e-6)


def test_both_means_agree_on_frontal_faces():
    angles = torch.from_numpy(np.random.default_rng(2).uniform(-8, 8, (3, 50, 3)))
    assert (mean_rotation(angles) - mean_angles(angles)).abs().max() < 0.7


def test_the_mean_rotation_is_closer_to_members_that_disagree_than_the_mean_of_angles():
    rng = np.random.default_rng(3)
    angles = rng.uniform(-50, 50, (1, 100, 3)) + rng.normal(0, 20, (3, 100, 3))
    far = {}
    for mean in (mean_angles, mean_rotation):
        found = matrices(mean(torch.from_numpy(angles)).numpy())
        far[mean] = sum(distance_deg(found, matrices(member)) ** 2 for member in angles)
    assert (far[mean_rotation] < far[mean_angles] + 1e-9).mean() > 0.95


def test_a_fusion_is_the_mean_of_its_members():
    torch.manual_seed(0)
    members = [build_network(NetworkConfig(s)).eval() for s in ('1x1', 'variance', 'none')]
    pixels = torch.rand(4, 3, 64, 64) * 255
    with torch.inference_mode():
        expected = torch.stack([m(pixels) for m in members]).mean(0)
        assert torch.allclose(Fusion(members).eval()(pixels), expected, atol=1e-5)


def test_a_fusion_of_one_network_is_refused():
    with pytest.raises(ValueError, match='expected two or more'):
        Fusion([build_network(NetworkConfig())])


@pytest.mark.parametrize('mean', ['angles', 'rotations'])
def test_the_onnx_graph_of_a_fusion_gives_the_same_mean(tmp_path, mean):
    pytest.importorskip('onnx', reason='onnx is not installed')
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    from fsanet_ros.inference.description import Description
    from fsanet_ros.inference.onnx_runtime import OnnxRuntime
    from fsanet_ros.network.onnx_export import write_weights
    from fsanet_ros.network.torch_runtime import TorchRuntime

    torch.manual_seed(1)
    members = [
        build_network(NetworkConfig(s, a)) for s, a in (('1x1', 'netvlad'), ('none', 'metric'))
    ]
    write_weights(Fusion(members, mean).eval(), Description('two', 1.0), tmp_path)
    crops = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)
    with_onnx, with_torch = (
        OnnxRuntime(tmp_path / 'two.onnx'),
        TorchRuntime(tmp_path / 'two.safetensors'),
    )
    assert with_torch.description.fusion_mean == with_onnx.description.fusion_mean == mean
    together = with_onnx(crops)
    assert np.abs(together - with_torch(crops)).max() < 1e-3
    alone = np.concatenate([with_onnx(crop[None]) for crop in crops])
    assert np.abs(alone - together).max() < 1e-4

"""Several networks as one: the paper's mean of angles, or the mean rotation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.fsanet.fusion import Fusion, mean_angles, mean_rotation  # noqa: E402
from fsanet_ros.fsanet.network import NetworkConfig, build_network  # noqa: E402
from fsanet_ros.geometry import rotations  # noqa: E402


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
def test_the_mean_rotation_is_the_nearest_to_all(members):
    angles = around(np.random.default_rng(0), members, 200, 6.0)
    found = mean_rotation(torch.from_numpy(angles)).numpy()
    expected = [Rotation.from_matrix(matrices(face)).mean().as_matrix() for face in
                angles.transpose(1, 0, 2)]  # fmt: skip
    assert distance_deg(matrices(found), np.array(expected)).max() < 0.1


def test_members_that_agree_are_their_mean():
    angles = np.random.default_rng(1).uniform(-89, 89, (50, 3))
    same = torch.from_numpy(np.stack([angles] * 3))
    assert np.allclose(mean_angles(same), angles)
    assert np.allclose(mean_rotation(same), angles, atol=1e-6)


def test_near_the_front_both_means_are_the_same():
    angles = torch.from_numpy(np.random.default_rng(2).uniform(-8, 8, (3, 50, 3)))
    assert (mean_rotation(angles) - mean_angles(angles)).abs().max() < 0.7


def test_in_profile_the_mean_of_angles_is_wrong_and_that_of_rotations_right():
    # Nearly the same rotation, written down on both sides of the singularity.
    two = np.array([[[88.0, 80.0, 80.0]], [[88.0, -80.0, -80.0]]])
    apart = distance_deg(matrices(two[0]), matrices(two[1]))[0]
    assert apart < 15
    mean = matrices(mean_rotation(torch.from_numpy(two)).numpy())
    assert distance_deg(mean, matrices(two[0]))[0] < apart
    wrong = matrices(mean_angles(torch.from_numpy(two)).numpy())
    assert distance_deg(wrong, matrices(two[0]))[0] == pytest.approx(apart / 2, abs=10)


def test_a_fusion_is_the_mean_of_its_members():
    torch.manual_seed(0)
    members = [build_network(NetworkConfig(s)).eval() for s in ('1x1', 'variance', 'none')]
    pixels = torch.rand(4, 3, 64, 64) * 255
    with torch.inference_mode():
        expected = torch.stack([m(pixels) for m in members]).mean(0)
        assert torch.allclose(Fusion(members).eval()(pixels), expected, atol=1e-5)


def test_a_fusion_of_one_is_refused():
    with pytest.raises(ValueError, match='expected two networks or more'):
        Fusion([build_network(NetworkConfig())])

"""
Fusion: several networks as one (the paper's "late fusion", section 3.4).

The paper takes the mean of the members' angles. That mean depends on how a rotation is written as
angles: on turned faces, where the members disagree, it is not the rotation closest to all of them.
``mean='rotations'`` is. For the three official capsule networks of 300W-LP the two means differ by
0.02° in the median over 96 faces, and by 3.3° at most, where the members are 60° apart. The
published fusions keep the mean that made the paper's tables; for your own, rotations are the better
choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fsanet_ros.inference.network_config import FusionMean, NetworkConfig
from fsanet_ros.network.fsanet import FSANet
from fsanet_ros.network.ssrnet import SSRNetMD
from fsanet_ros.network.variants import build_network

RADIANS = math.pi / 180  # torch.deg2rad has no ONNX export


class Fusion(nn.Module):
    """The mean of several networks that want the same crop."""

    def __init__(self, members: Sequence[FSANet | SSRNetMD], mean: FusionMean = 'angles') -> None:
        """
        Take the networks.

        :raises ValueError: if there are fewer than two
        """
        super().__init__()
        if len(members) < 2:
            raise ValueError(f'a fusion of {len(members)} networks: expected two or more')
        self.members = nn.ModuleList(members)
        self.configs = tuple(member.config for member in members)
        self.mean = mean
        self._mean = mean_rotation if mean == 'rotations' else mean_angles

    def forward(self, bgr: Tensor) -> Tensor:
        """
        Estimate the head pose.

        :param bgr: float [n, 3, 64, 64], 0 to 255, channels blue, green, red
        :returns: float [n, 3], yaw, pitch, roll in degrees
        """
        return self._mean(torch.stack([member(bgr) for member in self.members]))

    def with_expected_error(self, bgr: Tensor) -> tuple[Tensor, Tensor]:
        """Return the angles, and the mean of the members' expected errors; see FSANet."""
        members: Sequence[Any] = list(self.members)
        angles, errors = zip(*(m.with_expected_error(bgr) for m in members), strict=True)
        return self._mean(torch.stack(angles)), torch.stack(errors).mean(dim=0)


Network = FSANet | SSRNetMD | Fusion


def build(configs: Sequence[NetworkConfig], mean: FusionMean = 'angles') -> Network:
    """Make the untrained network that a weights file describes, a fusion if it has several."""
    networks = [build_network(config) for config in configs]
    return networks[0] if len(networks) == 1 else Fusion(networks, mean)


def mean_weights(networks: Sequence[Network]) -> Network:
    """
    Return one network with the mean of the weights of several; the first is changed into it.

    Good for networks of which one was trained from the other (Wortsman et al., "Model soups",
    ICML 2022); of others the mean is worth nothing.

    :raises ValueError: if they are of different kinds
    """
    first, *others = networks
    if any(other.configs != first.configs for other in others):
        kinds = '; '.join(str(network.configs) for network in networks)
        raise ValueError(f'a mean of weights of different networks ({kinds}): expected one kind')
    states = [network.state_dict() for network in networks]
    with torch.no_grad():
        for name, tensor in states[0].items():
            if tensor.is_floating_point():
                tensor.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return first


def mean_angles(angles_deg: Tensor) -> Tensor:
    """
    Return the mean of each angle.

    :param angles_deg: float [members, n, 3], yaw, pitch, roll
    :returns: float [n, 3]
    """
    return angles_deg.mean(dim=0)


def mean_rotation(angles_deg: Tensor) -> Tensor:
    """
    Return the angles of the members' mean rotation, that of their mean quaternion.

    It is the rotation closest to all of them (Markley et al. 2007, "Averaging Quaternions"): exact
    for two, and to second order in their distance for more.

    :param angles_deg: float [members, n, 3], yaw, pitch, roll
    :returns: float [n, 3]
    """
    quaternions = _quaternions(angles_deg * RADIANS)
    # q and -q are the same rotation.
    agree = (quaternions * quaternions[:1]).sum(dim=-1, keepdim=True) >= 0
    total = torch.where(agree, quaternions, -quaternions).sum(dim=0)
    return _angles(nn.functional.normalize(total, dim=-1)) / RADIANS


def _quaternions(angles: Tensor) -> Tensor:
    """Return w, x, y, z of Rx(-pitch) Ry(yaw) Rz(roll), angles in radians on the last axis."""
    (cy, cp, cr), (sy, sp, sr) = (f(angles / 2).unbind(-1) for f in (torch.cos, torch.sin))
    sp = -sp
    return torch.stack(
        (
            cp * cy * cr - sp * sy * sr,
            sp * cy * cr + cp * sy * sr,
            cp * sy * cr - sp * cy * sr,
            cp * cy * sr + sp * sy * cr,
        ),
        dim=-1,
    )


def _angles(quaternions: Tensor) -> Tensor:
    """Return yaw, pitch, roll in radians of unit quaternions w, x, y, z on the last axis."""
    w, x, y, z = quaternions.unbind(-1)
    yaw = torch.asin((2 * (x * z + w * y)).clamp(-1.0, 1.0))
    pitch = torch.atan2(2 * (w * x - y * z), 1 - 2 * (x * x + y * y))
    roll = torch.atan2(2 * (w * z - x * y), 1 - 2 * (y * y + z * z))
    return torch.stack((yaw, -pitch, roll), dim=-1)

"""Soft stagewise regression: angles from bins, coarse to fine (section 3.2, SSR-Net)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsanet_ros.fsanet.features import STAGES

ANGLES = 3
BINS = 3
ANGLE_RANGE_DEG = 99.0  # V


def soft_stagewise(p: list[Tensor], shift: list[Tensor], scale: list[Tensor]) -> Tensor:
    """
    Return the expected angles of equation (2), the sum over the stages of p · μ.

    μ, the middle of bin i of stage k, is (i + η_k) / w_k: the stage's bins are shifted by η_k and
    w_k = w_(k-1) · 3 (1 + Δ_k) of them would cover the range.

    :param p: of each stage float [n, 3 angles, 3 bins], what the bins weigh
    :param shift: of each stage float [n, 3], η
    :param scale: of each stage float [n, 3], Δ
    :returns: float [n, 3], degrees
    """
    index = torch.arange(BINS, dtype=p[0].dtype, device=p[0].device) - BINS // 2
    angles = torch.zeros_like(shift[0])
    width = torch.ones_like(shift[0])
    for p_k, shift_k, scale_k in zip(p, shift, scale, strict=True):
        width = width * (BINS * (1 + scale_k))
        angles = angles + (p_k * (index + shift_k.unsqueeze(-1))).sum(-1) / width
    return angles * ANGLE_RANGE_DEG


class SoftStagewiseRegression(nn.Module):
    """FSA-Net's heads: each takes its own part of a stage's vector."""

    def __init__(self) -> None:
        """Make each stage's heads for scale Δ, shift η and the bins' p."""
        super().__init__()
        self.scale = nn.ModuleList(nn.Linear(4, ANGLES) for _ in range(STAGES))
        self.shift = nn.ModuleList(nn.Linear(4, ANGLES) for _ in range(STAGES))
        self.bins = nn.ModuleList(nn.Linear(8, ANGLES * BINS) for _ in range(STAGES))

    def forward(self, vectors: Tensor) -> Tensor:
        """
        Regress the angles.

        :param vectors: float [n, 3 stages, 16], V
        :returns: float [n, 3], degrees
        """
        p, shift, scale = [], [], []
        for k, vector in enumerate(vectors.unbind(dim=1)):
            scale.append(torch.tanh(self.scale[k](vector[:, :4])))
            shift.append(torch.tanh(self.shift[k](vector[:, 4:8])))
            p.append(torch.relu(self.bins[k](vector[:, 8:])).view(-1, ANGLES, BINS))
        return soft_stagewise(p, shift, scale)


class DenseStage(nn.Module):
    """SSR-Net-MD's heads of one stage, which see the whole feature map."""

    def __init__(self, features: int) -> None:
        """Make the heads; scale and shift have a layer of six in between."""
        super().__init__()
        self.scale = nn.Sequential(
            nn.Linear(features, 2 * ANGLES), nn.Tanh(), nn.Linear(2 * ANGLES, ANGLES), nn.Tanh()
        )
        self.shift = nn.Sequential(
            nn.Linear(features, 2 * ANGLES), nn.Tanh(), nn.Linear(2 * ANGLES, ANGLES), nn.Tanh()
        )
        self.bins = nn.Sequential(nn.Linear(features, ANGLES * BINS), nn.ReLU())

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        Return a stage's parameters.

        :param features: float [n, features]
        :returns: p, float [n, 3 angles, 3 bins]; shift and scale, float [n, 3]
        """
        p = self.bins(features).view(-1, ANGLES, BINS)
        return p, self.shift(features), self.scale(features)

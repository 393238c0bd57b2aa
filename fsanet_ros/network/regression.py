"""Soft stagewise regression: angles from bins, coarse to fine (section 3.2, SSR-Net)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from fsanet_ros.network.features import STAGES

VECTOR_SIZE = 16  # c': of a stage's aggregated vector
ANGLES = 3
BINS = 3
ANGLE_RANGE_DEG = 99.0  # V


def soft_stagewise(p: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """
    Return the expected angles of equation (2), the sum over the stages of p · μ.

    μ, the middle of bin i of stage k, is (i + η_k) / w_k: the stage's bins are shifted by η_k and
    w_k = w_(k-1) · 3 (1 + Δ_k) of them would cover the range.

    :param p: float [n, 3 stages, 3 angles, 3 bins], what the bins weigh
    :param shift: float [n, 3 stages, 3 angles], η
    :param scale: float [n, 3 stages, 3 angles], Δ
    :returns: float [n, 3], degrees
    """
    index = torch.arange(BINS, dtype=p.dtype, device=p.device) - BINS // 2
    means = (p * (index + shift.unsqueeze(-1))).sum(-1)
    widths = BINS * (1 + scale)
    # The last stage first, so that each is divided by its own width and those before it.
    m, w = means.unbind(1), widths.unbind(1)
    angles = m[-1] / w[-1]
    for k in reversed(range(len(m) - 1)):
        angles = (m[k] + angles) / w[k]
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
        weights, biases = self._as_one()
        answers = (vectors.unsqueeze(2) @ weights).squeeze(2) + biases
        scale, shift, bins = torch.split(answers, [ANGLES, ANGLES, ANGLES * BINS], dim=-1)
        p = torch.relu(bins).view(-1, STAGES, ANGLES, BINS)
        return soft_stagewise(p, torch.tanh(shift), torch.tanh(scale))

    def _as_one(self) -> tuple[Tensor, Tensor]:
        """
        Return the heads of each stage as one layer, most of whose weights are 0.

        Nine small layers take longer than the one, in an exported graph where this is a constant.

        :returns: float [3 stages, 16, 15] and [3, 15]; scale, shift, then the bins
        """
        weights, biases = [], []
        for heads in zip(self.scale, self.shift, self.bins, strict=True):
            layers = cast('tuple[nn.Linear, ...]', heads)
            padded = [
                nn.functional.pad(layer.weight, (before, VECTOR_SIZE - before - layer.in_features))
                for layer, before in zip(layers, (0, 4, 8), strict=True)
            ]
            weights.append(torch.cat(padded).transpose(0, 1))
            biases.append(torch.cat([layer.bias for layer in layers]))
        return torch.stack(weights), torch.stack(biases)


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

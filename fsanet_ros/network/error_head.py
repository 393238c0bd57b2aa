"""How far off the network expects to be, read from what it has seen on its way to the angles."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fsanet_ros.network.features import CHANNELS, STAGES

HIDDEN = 32
LEAST_DEG, MOST_DEG = 0.5, 90.0


class ErrorHead(nn.Module):
    """
    Two small layers on the means of the feature maps and on the stages' vectors.

    Not part of the paper's network, whose angles stay what they are: it looks on. What it says is
    the mean absolute error that is to be expected about an axis, of faces like those that it was
    trained with (research.training.error_head_training); about 60 degrees mean that there is no
    face to be seen.
    """

    def __init__(self, vector_size: int) -> None:
        """Make the layers; ``vector_size``: of each stage's aggregated vector."""
        super().__init__()
        inputs = STAGES * (CHANNELS + vector_size)
        self.norm = nn.BatchNorm1d(inputs)
        self.hidden = nn.Linear(inputs, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)

    def forward(self, stages: list[Tensor], vectors: Tensor) -> Tensor:
        """
        Return the expected error.

        :param stages: three of float [n, 64, 8, 8], U_k
        :param vectors: float [n, 3, vector size], V
        :returns: float [n], degrees
        """
        means = [u.mean(dim=(2, 3)) for u in stages]
        seen = self.norm(torch.cat([*means, vectors.flatten(1)], dim=1))
        log_error = self.output(torch.relu(self.hidden(seen))).squeeze(1)
        return log_error.clamp(math.log(LEAST_DEG), math.log(MOST_DEG)).exp()

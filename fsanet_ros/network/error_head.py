"""
FSA-Net that also says how far off it expects to be. Ours, not the paper's.

The angles stay what they are: the error head only looks on.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from fsanet_ros.network.fsanet import CHANNELS, STAGES, VECTOR_SIZE, FSANet

HIDDEN = 32
LEAST_DEG, MOST_DEG = 0.5, 90.0


class ErrorHead(nn.Module):
    """
    Two small layers on the means of the feature maps U_k and on the stages' vectors V.

    Their output is the mean absolute error to expect about an axis, for faces like those that the
    head was trained on (research.training.error_head_training). About 60 degrees mean that the
    network sees no face.
    """

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        inputs = STAGES * (CHANNELS + VECTOR_SIZE)
        self.norm = nn.BatchNorm1d(inputs)
        self.hidden = nn.Linear(inputs, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)

    def forward(self, stages: list[Tensor], vectors: Tensor) -> Tensor:
        """
        Return the expected error.

        :param stages: U_1 to U_3, each float [n, 64, 8, 8]
        :param vectors: V, float [n, 3, 16]
        :returns: float [n], degrees
        """
        means = [u_k.mean(dim=(2, 3)) for u_k in stages]
        seen = self.norm(torch.cat([*means, vectors.flatten(1)], dim=1))
        log_error = self.output(torch.relu(self.hidden(seen))).squeeze(1)
        return log_error.clamp(math.log(LEAST_DEG), math.log(MOST_DEG)).exp()


class FSANetWithErrorHead(FSANet):
    """FSA-Net and its error head."""

    def __init__(self, **parts: Any) -> None:
        """Make both; ``parts``: see FSANet."""
        super().__init__(**parts)
        # Last, and with PyTorch's initial values: a seed must always give the same weights.
        self.error_head = ErrorHead()

    def with_expected_error(self, bgr: Tensor) -> tuple[Tensor, Tensor]:
        """
        Estimate the head pose, and how far off it may be.

        :param bgr: see forward
        :returns: what forward does, and the expected error, float [n], degrees
        """
        stages = self.feature_maps(bgr)
        vectors = self.vectors(stages)
        return self.regression(vectors), self.error_head(stages, vectors)

"""
FSA-Net: head pose by fine-grained structure aggregation and soft stagewise regression.

T.-Y. Yang, Y.-T. Chen, Y.-Y. Lin, Y.-Y. Chuang, "FSA-Net: Learning Fine-Grained Structure
Aggregation for Head Pose Estimation from a Single Image", CVPR 2019. The comments name the
section and the symbols of the paper; where paper and official code differ (the "1x1" row's
dimensions, say), this follows the code, which made the published weights.

Every sample is computed on its own: nothing is averaged over the batch in evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

# Keras' epsilon: in batch norm (its layer's default) and under square roots and divisions.
BATCH_NORM_EPS = 1e-3
EPS = 1e-7

STAGES = 3  # K of the paper
CHANNELS = 64  # of every stage's feature map
CELLS = 8 * 8  # positions of every stage's feature map
PRIMARY_CAPSULES = 7  # n' per stage: 21 in all
SCORE_ROWS = 5  # m: rank of the factored maps S_k
CAPSULE_SIZE = 16  # length of a stage's aggregated vector
ANGLES = 3
BINS = 3
ANGLE_RANGE_DEG = 99.0  # V


@dataclass(frozen=True)
class FSANetConfig:
    """
    Which FSA-Net.

    ``pixel_mean`` and ``pixel_scale``: the network sees (pixel - mean) / scale. The official
    weights take raw 0..255.
    """

    pixel_mean: float = 0.0
    pixel_scale: float = 1.0


class FSANet(nn.Module):
    """FSA-Net with 1x1 scoring and capsule aggregation, 238 k parameters."""

    def __init__(self, config: FSANetConfig | None = None) -> None:
        """Make the network with Keras' initial values."""
        super().__init__()
        self.config = config or FSANetConfig()
        self.features = TwoStreamFeatures()
        self.structure = FineGrainedStructure(ConvolutionScoring())
        self.aggregation = CapsuleLayer(STAGES, STAGES * PRIMARY_CAPSULES, CAPSULE_SIZE, CHANNELS)
        self.regression = SoftStagewiseRegression()
        self.apply(_initialise_like_keras)

    def forward(self, bgr: Tensor) -> Tensor:
        """
        Estimate yaw, pitch, roll.

        :param bgr: float [n, 3, 64, 64], 0 to 255, channels blue, green, red
        :returns: float [n, 3], yaw, pitch, roll in degrees
        """
        pixels = (bgr - self.config.pixel_mean) / self.config.pixel_scale
        stages: list[Tensor] = self.features(pixels)
        primary: Tensor = self.structure(stages)
        vectors: Tensor = self.aggregation(primary)
        angles: Tensor = self.regression(vectors)
        return angles


class SeparableBlock(nn.Sequential):
    """Depthwise 3x3 and pointwise 1x1 convolution, batch norm, activation."""

    def __init__(self, channels_in: int, channels_out: int, activation: nn.Module) -> None:
        """Make the block; the depthwise convolution has no bias, as in Keras."""
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS, momentum=0.05)
        self.activation = activation


class Stream(nn.Module):
    """
    One of the two streams of SSR-Net's backbone, with a 1x1 convolution on each of three outputs.

    ``activation`` makes the module that follows every convolution, ``pool`` halves the size.
    """

    def __init__(self, activation: type[nn.Module], pool: type[nn.Module]) -> None:
        """Make the stream's layers."""
        super().__init__()
        widths = [(3, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
        blocks = [SeparableBlock(n_in, n_out, activation()) for n_in, n_out in widths]
        self.shallow = nn.Sequential(blocks[0], pool(2), *blocks[1:3], pool(2))
        self.middle = nn.Sequential(*blocks[3:5], pool(2))
        self.deep = nn.Sequential(*blocks[5:7])
        self.out_shallow = nn.Sequential(nn.Conv2d(32, CHANNELS, 1), activation())
        self.out_middle = nn.Sequential(nn.Conv2d(64, CHANNELS, 1), activation())
        self.out_deep = nn.Sequential(nn.Conv2d(128, CHANNELS, 1), activation())

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """
        Return the three feature maps, deepest first.

        :param pixels: float [n, 3, 64, 64]
        :returns: float [n, 64, 8, 8], [n, 64, 8, 8], [n, 64, 16, 16]
        """
        shallow = self.shallow(pixels)
        middle = self.middle(shallow)
        deep = self.deep(middle)
        return [self.out_deep(deep), self.out_middle(middle), self.out_shallow(shallow)]


class TwoStreamFeatures(nn.Module):
    """The feature maps U_k of the stages: the product of both streams."""

    def __init__(self) -> None:
        """Make stream A (ReLU, average pooling) and stream B (tanh, max pooling)."""
        super().__init__()
        self.stream_a = Stream(nn.ReLU, nn.AvgPool2d)
        self.stream_b = Stream(nn.Tanh, nn.MaxPool2d)
        self.shrink = nn.AvgPool2d(2)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """
        Return U_1 to U_3, deepest first.

        :param pixels: float [n, 3, 64, 64]
        :returns: three of float [n, 64, 8, 8]
        """
        u1, u2, u3 = (
            a * b for a, b in zip(self.stream_a(pixels), self.stream_b(pixels), strict=True)
        )
        return [u1, u2, self.shrink(u3)]


class Scoring(Protocol):
    """The pixel-level attention maps A_k: how much each cell of a feature map matters."""

    def __call__(self, features: Tensor) -> Tensor:
        """Map float [n, 64, 8, 8] to float [n, 64 cells]."""
        ...


class ConvolutionScoring(nn.Module):
    """Scoring by a 1x1 convolution, learnable; one for all stages (section 3.3, "1x1")."""

    def __init__(self) -> None:
        """Make the convolution."""
        super().__init__()
        self.convolution = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map float [n, 64, 8, 8] to float [n, 64 cells]."""
        return torch.sigmoid(self.convolution(features)).flatten(1)


class FineGrainedStructure(nn.Module):
    """Group the cells of all stages into few vectors per stage, by learned spatial maps S_k."""

    def __init__(self, scoring: Scoring) -> None:
        """Take the scoring function; make the mappings to S_k, shared by the stages."""
        super().__init__()
        self.scoring = scoring
        all_cells = STAGES * CELLS
        self.rows = nn.Linear(CELLS, SCORE_ROWS * all_cells)
        self.mixing = nn.Linear(all_cells, PRIMARY_CAPSULES * SCORE_ROWS)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """
        Return the primary capsules.

        :param stages: three of float [n, 64, 8, 8]
        :returns: float [n, 21, 64]
        """
        # U: one row a cell, one column a channel.
        cells = torch.cat([u.flatten(2).transpose(1, 2) for u in stages], dim=1)
        return torch.cat([_normalised(s) @ cells for s in self.maps(stages)], dim=1)

    def maps(self, stages: list[Tensor]) -> list[Tensor]:
        """
        Return the spatial maps S_k of equation (4), from the attention maps of all stages.

        :param stages: three of float [n, 64, 8, 8]
        :returns: three of float [n, 7, 192], not normalised
        """
        scores = [self.scoring(u) for u in stages]
        mixing = torch.sigmoid(self.mixing(torch.cat(scores, dim=1)))
        mixing = mixing.view(-1, PRIMARY_CAPSULES, SCORE_ROWS)
        rows = [torch.sigmoid(self.rows(a)).view(-1, SCORE_ROWS, STAGES * CELLS) for a in scores]
        return [mixing @ r for r in rows]


class CapsuleLayer(nn.Module):
    """
    Dynamic routing between capsules (Sabour, Frosst, Hinton 2017), as in the official code.

    W is [capsules out, capsules in, size out, size in]; two routings; the logits belong to the
    sample.
    """

    def __init__(self, count: int, count_in: int, size: int, size_in: int) -> None:
        """Make W."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, count_in, size, size_in))
        self.routings = 2

    def forward(self, primary: Tensor) -> Tensor:
        """
        Route the primary capsules.

        :param primary: float [n, capsules in, size in]
        :returns: float [n, capsules out, size out]
        """
        # u_hat[n, j, i] = W[j, i] u[n, i], as one batched product over i.
        count, count_in, size, size_in = self.weight.shape
        per_input = self.weight.permute(1, 3, 0, 2).reshape(count_in, size_in, count * size)
        votes = (primary.transpose(0, 1) @ per_input).view(count_in, -1, count, size)
        votes = votes.permute(1, 2, 0, 3)  # [n, out, in, size]
        logits = torch.zeros_like(votes[..., 0])
        for _ in range(self.routings - 1):
            output = self._combine(votes, logits)
            logits = logits + (votes @ output.unsqueeze(-1)).squeeze(-1)
        return self._combine(votes, logits)

    @staticmethod
    def _combine(votes: Tensor, logits: Tensor) -> Tensor:
        # Softmax over the output capsules: each input capsule shares itself out among them.
        coupling = torch.softmax(logits, dim=1)
        return squash((coupling.unsqueeze(2) @ votes).squeeze(2))


class SoftStagewiseRegression(nn.Module):
    """Angles from the stages' vectors, coarse to fine (equation (1), SSR-Net)."""

    index: Tensor

    def __init__(self) -> None:
        """Make each stage's heads for scale Delta, shift eta and bin probabilities p."""
        super().__init__()
        self.scale = nn.ModuleList(nn.Linear(4, ANGLES) for _ in range(STAGES))
        self.shift = nn.ModuleList(nn.Linear(4, ANGLES) for _ in range(STAGES))
        self.bins = nn.ModuleList(nn.Linear(8, ANGLES * BINS) for _ in range(STAGES))
        self.register_buffer('index', torch.arange(BINS) - BINS // 2, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """
        Regress the angles.

        :param vectors: float [n, 3 stages, 16]
        :returns: float [n, 3], degrees
        """
        angles = torch.zeros_like(vectors[:, 0, :ANGLES])
        width = torch.ones_like(angles)
        for k, vector in enumerate(vectors.unbind(dim=1)):
            width = width * (BINS * (1 + torch.tanh(self.scale[k](vector[:, :4]))))
            shift = torch.tanh(self.shift[k](vector[:, 4:8]))
            p = torch.relu(self.bins[k](vector[:, 8:])).view(-1, ANGLES, BINS)
            angles = angles + (p * (self.index + shift.unsqueeze(-1))).sum(-1) / width
        return angles * ANGLE_RANGE_DEG


def squash(vectors: Tensor) -> Tensor:
    """Shorten vectors on the last axis to a length below 1, keeping their direction."""
    squared = vectors.square().sum(dim=-1, keepdim=True)
    return vectors * (squared / (1 + squared) / torch.sqrt(squared + EPS))


def _normalised(maps: Tensor) -> Tensor:
    return maps / (maps.sum(dim=-1, keepdim=True) + EPS)


def _initialise_like_keras(module: nn.Module) -> None:
    # Glorot for every kernel, zero bias; PyTorch's own start is smaller and trains worse here.
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, CapsuleLayer):
        bound = (6.0 / (module.weight.shape[-1] + module.weight.shape[-2])) ** 0.5
        nn.init.uniform_(module.weight, -bound, bound)

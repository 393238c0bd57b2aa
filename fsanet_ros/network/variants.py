"""
The paper's other variants, and build_network, which makes any of them from its configuration.

Scoring (section 3.4): variance, or uniform, the paper's "w/o", which has no structure mapping.
Aggregation (tables 4 and 5): NetVLAD, or "metric" in the official code's words, which the paper
calls "no aggregation".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsanet_ros.inference.network_config import Aggregation, NetworkConfig, Scoring
from fsanet_ros.network.error_head import FSANetWithErrorHead
from fsanet_ros.network.fsanet import (
    CELLS,
    CHANNELS,
    REPRESENTATIVES,
    STAGES,
    VECTOR_SIZE,
    CapsuleLayer,
    FineGrainedStructure,
    FSANet,
    all_cells,
)
from fsanet_ros.network.ssrnet import SSRNetMD


class VarianceScoring(nn.Module):
    """Option 2, not learned: Φ(u) is the variance of u; as in the code a mean, not a sum."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Map U_k, [n, 64, 8, 8], to A_k, [n, 64 cells]."""
        return feature_map.var(dim=1, correction=0).flatten(1)


class AllCells(nn.Module):
    """Option 3, uniform, the paper's "w/o": Ũ = U, all cells alike."""

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map U_1 to U_3, each [n, 64, 8, 8], to U, [n, 192, 64]."""
        return all_cells(stages)


class MetricProjection(nn.Module):
    """No aggregation: V = Qᵀ Ũ P. P takes c channels to c', Q the features to one per stage."""

    def __init__(self, features: int) -> None:
        """Make P and Q."""
        super().__init__()
        self.channels = nn.Linear(CHANNELS, VECTOR_SIZE, bias=False)  # Pᵀ
        self.features = nn.Linear(features, STAGES, bias=False)  # Qᵀ

    def forward(self, u: Tensor) -> Tensor:
        """Map Ũ, [n, features, 64], to V, [n, 3, 16]."""
        narrow = self.channels(u)  # Ũ P: [n, features, 16]
        vectors: Tensor = self.features(narrow.transpose(1, 2)).transpose(1, 2)
        return vectors


class NetVLAD(nn.Module):
    """
    NetVLAD (Arandjelović et al., CVPR 2016): residuals to cluster centres, softly assigned.

    It has as many clusters as stages; a last product takes the descriptor to a vector per stage.
    """

    def __init__(self, features: int) -> None:
        """Make the assignment, the centres and the last product, as LOUPE starts them."""
        super().__init__()
        del features  # takes any number
        self.weight = nn.Parameter(torch.empty(CHANNELS, STAGES))  # w_k
        self.bias = nn.Parameter(torch.empty(STAGES))  # b_k
        self.centres = nn.Parameter(torch.empty(CHANNELS, STAGES))  # c_k
        self.hidden = nn.Parameter(torch.empty(CHANNELS * STAGES, STAGES * VECTOR_SIZE))
        for parameter in (self.weight, self.bias, self.centres):
            nn.init.normal_(parameter, std=1 / math.sqrt(CHANNELS))
        nn.init.normal_(self.hidden, std=1 / math.sqrt(STAGES))

    def forward(self, u: Tensor) -> Tensor:
        """Map Ũ, [n, features, 64], to V, [n, 3, 16]."""
        # Equation (3) of NetVLAD: how much feature i belongs to cluster k.
        a = torch.softmax(u @ self.weight + self.bias, dim=-1)  # [n, features, 3]
        # Equation (1) of NetVLAD: the sum over i of a_k(x_i) (x_i - c_k).
        v = u.transpose(1, 2) @ a - a.sum(dim=1, keepdim=True) * self.centres  # [n, 64, 3]
        v = functional.normalize(v, dim=1, eps=1e-6)  # each cluster
        descriptor = functional.normalize(v.flatten(1), dim=1, eps=1e-6)
        return (descriptor @ self.hidden).view(-1, STAGES, VECTOR_SIZE)


STRUCTURES: dict[Scoring, Callable[[], nn.Module]] = {
    '1x1': FineGrainedStructure,
    'variance': lambda: FineGrainedStructure(VarianceScoring()),
    'none': AllCells,
}
AGGREGATIONS: dict[Aggregation, Callable[[int], nn.Module]] = {
    'capsule': CapsuleLayer,
    'metric': MetricProjection,
    'netvlad': NetVLAD,
}


def build_network(config: NetworkConfig) -> FSANet | SSRNetMD:
    """Make the network of a configuration, untrained."""
    if config.architecture == 'ssrnet':
        return SSRNetMD(config)
    features = CELLS if config.scoring == 'none' else STAGES * REPRESENTATIVES
    kind = FSANetWithErrorHead if config.error_head else FSANet
    return kind(
        structure=STRUCTURES[config.scoring],
        aggregation=lambda: AGGREGATIONS[config.aggregation](features),
        config=config,
    )

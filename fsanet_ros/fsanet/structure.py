"""Scoring functions (section 3.4) and the fine-grained structure mapping (section 3.5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsanet_ros.fsanet.features import CHANNELS, STAGES, as_cells

CELLS = 8 * 8  # w h: positions of every stage's feature map
ALL_CELLS = STAGES * CELLS  # n: rows of U
REPRESENTATIVES = 7  # n': per stage, 21 in all
RANK = 5  # m: of the maps S_k, which are products of two
# Keras' epsilon. The official code divides without: it makes no difference to its weights.
EPS = 1e-7


class ConvolutionScoring(nn.Module):
    """Option (1), learnable: Φ(u) = σ(w · u), a 1x1 convolution; one for all stages."""

    def __init__(self) -> None:
        """Make the convolution."""
        super().__init__()
        self.convolution = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Map U_k, float [n, 64, 8, 8], to A_k, float [n, 64 cells]."""
        return torch.sigmoid(self.convolution(feature_map)).flatten(1)


class VarianceScoring(nn.Module):
    """Option (2), nothing to learn: the variance of u over its channels; mean, not sum."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Map U_k, float [n, 64, 8, 8], to A_k, float [n, 64 cells]."""
        from_mean = feature_map - feature_map.mean(dim=1, keepdim=True)
        return from_mean.square().mean(dim=1).flatten(1)


class FineGrainedStructure(nn.Module):
    """Group the cells of all stages into few representative features per stage."""

    def __init__(self, scoring: nn.Module) -> None:
        """Take the scoring function; make f_M and f_C."""
        super().__init__()
        self.scoring = scoring
        self.rows = nn.Linear(CELLS, RANK * ALL_CELLS)  # f_M
        self.mixing = nn.Linear(ALL_CELLS, REPRESENTATIVES * RANK)  # f_C

    def forward(self, stages: list[Tensor]) -> Tensor:
        """
        Return the representative features Ũ, [Ũ_1, Ũ_2, Ũ_3].

        :param stages: three of float [n, 64, 8, 8], U_k
        :returns: float [n, 21, 64]
        """
        cells = torch.cat([as_cells(u) for u in stages], dim=1)  # U
        # Equation (3): Ũ_k = S_k U, the rows of S_k normalised by their sum (their L1 norm).
        return torch.cat([_normalised(s) @ cells for s in self.maps(stages)], dim=1)

    def maps(self, stages: list[Tensor]) -> list[Tensor]:
        """
        Return the spatial maps S_k, from the attention maps A_k of all stages.

        A row of 192 is three maps of 8 x 8, one for each stage's feature map.

        :param stages: three of float [n, 64, 8, 8], U_k
        :returns: three of float [n, 7, 192], not normalised
        """
        attention = [self.scoring(u) for u in stages]
        # Equation (6): C = σ(f_C(A)), shared by the stages.
        c = torch.sigmoid(self.mixing(torch.cat(attention, dim=1)))
        c = c.view(-1, REPRESENTATIVES, RANK)
        # Equation (5): M_k = σ(f_M(A_k)).
        m = [torch.sigmoid(self.rows(a)).view(-1, RANK, ALL_CELLS) for a in attention]
        # Equation (4): S_k = C M_k.
        return [c @ m_k for m_k in m]


class UngroupedCells(nn.Module):
    """Option (3), uniform, the paper's "w/o": Ũ = U, there is no mapping."""

    def forward(self, stages: list[Tensor]) -> Tensor:
        """
        Return all cells.

        :param stages: three of float [n, 64, 8, 8], U_k
        :returns: float [n, 192, 64]
        """
        return torch.cat([as_cells(u) for u in stages], dim=1)


def _normalised(maps: Tensor) -> Tensor:
    return maps / (maps.sum(dim=-1, keepdim=True) + EPS)

"""Scoring functions (section 3.4) and the fine-grained structure mapping (section 3.5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsanet_ros.network.features import CHANNELS, STAGES

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

    def forward(self, cells: Tensor) -> Tensor:
        """Map U, float [n, cells, 64], to A, float [n, cells]."""
        # Cell by cell it is a product with a vector.
        weight, bias = self.convolution.weight.flatten(1), self.convolution.bias
        return torch.sigmoid(nn.functional.linear(cells, weight, bias)).squeeze(-1)


class VarianceScoring(nn.Module):
    """Option (2), nothing to learn: the variance of u over its channels; mean, not sum."""

    def forward(self, cells: Tensor) -> Tensor:
        """Map U, float [n, cells, 64], to A, float [n, cells]."""
        from_mean = cells - cells.mean(dim=-1, keepdim=True)
        return from_mean.square().mean(dim=-1)


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
        cells = all_cells(stages)  # U
        maps = self.maps(cells)
        # Equation (3): Ũ_k = S_k U, the rows of S_k normalised by their sum (their L1 norm).
        shares = maps / (maps.sum(dim=-1, keepdim=True) + EPS)
        return shares.view(-1, STAGES * REPRESENTATIVES, ALL_CELLS) @ cells

    def maps(self, cells: Tensor) -> Tensor:
        """
        Return the spatial maps S_k, from the attention maps A_k of all stages.

        A row of 192 is three maps of 8 x 8, one for each stage's feature map.

        :param cells: float [n, 192, 64], U, see all_cells
        :returns: float [n, 3 stages, 7, 192], not normalised
        """
        attention = self.scoring(cells)
        # Equation (6): C = σ(f_C(A)), shared by the stages.
        c = torch.sigmoid(self.mixing(attention)).view(-1, 1, REPRESENTATIVES, RANK)
        # Equation (5): M_k = σ(f_M(A_k)).
        m = torch.sigmoid(self.rows(attention.view(-1, CELLS))).view(-1, STAGES, RANK, ALL_CELLS)
        # Equation (4): S_k = C M_k.
        maps: Tensor = c @ m
        return maps


class UngroupedCells(nn.Module):
    """Option (3), uniform, the paper's "w/o": Ũ = U, there is no mapping."""

    def forward(self, stages: list[Tensor]) -> Tensor:
        """
        Return all cells.

        :param stages: three of float [n, 64, 8, 8], U_k
        :returns: float [n, 192, 64]
        """
        return all_cells(stages)


def all_cells(stages: list[Tensor]) -> Tensor:
    """Return U, float [n, 192, 64], of U_1 to U_3: a row for each cell of each stage."""
    # Sizes as numbers: what an exported graph would have to work out takes longer than the work.
    return torch.cat([u.view(-1, CHANNELS, CELLS) for u in stages], dim=2).transpose(1, 2)

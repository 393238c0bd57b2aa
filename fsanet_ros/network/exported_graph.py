"""
Rewrite a network so that its exported graph is fast; the angles stay the same.

One face takes a third of a millisecond, spread over so many small operations that their number
counts more than their size. So here sizes are numbers instead of questions to the graph, weights
are stored in the order in which they are multiplied, and small layers are merged into one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fsanet_ros.network.fsanet import (
    ANGLE_RANGE_DEG,
    ANGLES,
    BINS,
    CELLS,
    CHANNELS,
    EPS,
    RANK,
    REPRESENTATIVES,
    ROUTINGS,
    SIDE,
    STAGES,
    VECTOR_SIZE,
    CapsuleLayer,
    ConvScoring,
    FineGrainedStructure,
    SeparableBlock,
    SoftStagewiseRegression,
    squash,
)
from fsanet_ros.network.variants import AllCells, VarianceScoring

AnyNetwork = TypeVar('AnyNetwork', bound=nn.Module)


def rewritten_for_export(network: AnyNetwork) -> AnyNetwork:
    """Return a copy of a network that gives the same angles and exports to a faster graph."""
    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                rewrite = REWRITES.get(type(child))
                if rewrite is not None:
                    setattr(parent, name, rewrite(child))
    return network


def plain_if_first(block: SeparableBlock) -> nn.Module:
    """
    Return a stream's first block with an ordinary convolution, any other block as it is.

    Of three channels a separable one saves little work, and runtimes have no fast way for it.
    """
    spatial, mixing = block.depthwise.weight, block.pointwise.weight
    if spatial.shape[0] != 3:
        return block
    convolution = nn.Conv2d(spatial.shape[0], mixing.shape[0], 3, padding=1)
    # [out, in, 1, 1] times [1, in, 3, 3]: a kernel for each pair of channels.
    convolution.weight = nn.Parameter(mixing * spatial.transpose(0, 1))
    convolution.bias = block.pointwise.bias
    return nn.Sequential(fuse_conv_bn_eval(convolution.eval(), block.norm), block.activation)


class CellwiseStructure(nn.Module):
    """FineGrainedStructure with all stages in one matrix from the start."""

    def __init__(self, structure: FineGrainedStructure) -> None:
        super().__init__()
        self.scoring = CELLWISE[type(structure.scoring)](structure.scoring)
        self.rows = structure.rows
        self.mixing = structure.mixing

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map U_1 to U_3 to Ũ, see FineGrainedStructure."""
        u = _all_cells(stages)
        a = self.scoring(u)
        c = torch.sigmoid(self.mixing(a)).view(-1, 1, REPRESENTATIVES, RANK)
        rows = torch.sigmoid(self.rows(a.view(-1, SIDE * SIDE)))
        s = c @ rows.view(-1, STAGES, RANK, CELLS)
        # inference/heat_maps.py finds this division in the graph by its name.
        s = s / (s.sum(dim=-1, keepdim=True) + EPS)
        return s.view(-1, STAGES * REPRESENTATIVES, CELLS) @ u


class CellwiseConvScoring(nn.Module):
    """ConvScoring of U, [n, 192, 64]: for each cell it is a product with a vector."""

    def __init__(self, scoring: ConvScoring) -> None:
        super().__init__()
        self.weight = nn.Parameter(scoring.convolution.weight.flatten(1))
        self.bias = scoring.convolution.bias

    def forward(self, u: Tensor) -> Tensor:
        """Return A, [n, 192]."""
        return torch.sigmoid(functional.linear(u, self.weight, self.bias)).squeeze(-1)


class CellwiseVarianceScoring(nn.Module):
    """VarianceScoring of U, [n, 192, 64]; the exporter writes longer code for torch.var."""

    def __init__(self, scoring: VarianceScoring) -> None:
        super().__init__()
        del scoring  # has no weights

    def forward(self, u: Tensor) -> Tensor:
        """Return A, [n, 192]."""
        return (u - u.mean(dim=-1, keepdim=True)).square().mean(dim=-1)


class FixedAllCells(nn.Module):
    """AllCells with sizes as numbers."""

    def __init__(self, structure: AllCells) -> None:
        super().__init__()
        del structure  # has no weights

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map U_1 to U_3 to U, see AllCells."""
        return _all_cells(stages)


class UnrolledCapsules(nn.Module):
    """CapsuleLayer with its two routings written out, and one product per input capsule."""

    def __init__(self, layer: CapsuleLayer) -> None:
        super().__init__()
        assert ROUTINGS == 2
        self.features = layer.weight.shape[1]
        # [out, features, 16, 64] to [features, 64, out * 16].
        weight = layer.weight.permute(1, 3, 0, 2).reshape(self.features, CHANNELS, -1)
        self.weight = nn.Parameter(weight.contiguous())

    def forward(self, u: Tensor) -> Tensor:
        """Map Ũ to V, see CapsuleLayer."""
        votes = (u.transpose(0, 1) @ self.weight).view(self.features, -1, STAGES, VECTOR_SIZE)
        votes = votes.permute(1, 2, 0, 3)  # [n, out, features, 16]
        # The first routing's logits are 0: every input capsule divides itself equally.
        output = squash(votes.sum(dim=2) / STAGES)
        logits = (votes @ output.unsqueeze(-1)).squeeze(-1)
        coupling = torch.softmax(logits, dim=1)
        return squash((coupling.unsqueeze(2) @ votes).squeeze(2))


class MergedRegression(nn.Module):
    """SoftStagewiseRegression with one layer per stage instead of three; most weights are 0."""

    def __init__(self, regression: SoftStagewiseRegression) -> None:
        super().__init__()
        weights, biases = [], []
        for heads in zip(regression.scale, regression.shift, regression.bins, strict=True):
            layers = [cast('nn.Linear', head) for head in heads]
            # Each sees its own part of the vector: a block for each on the diagonal.
            diagonal: Tensor = torch.block_diag(*(h.weight for h in layers))  # type: ignore[no-untyped-call]
            weights.append(diagonal.T)
            biases.append(torch.cat([layer.bias for layer in layers]))
        self.weight = nn.Parameter(torch.stack(weights).contiguous())  # [3 stages, 16, 15]
        self.bias = nn.Parameter(torch.stack(biases))  # [3, 15]

    def forward(self, vectors: Tensor) -> Tensor:
        """Map V to angles, see SoftStagewiseRegression."""
        answers = (vectors.unsqueeze(2) @ self.weight).squeeze(2) + self.bias
        scale, shift, bins = torch.split(answers, [ANGLES, ANGLES, ANGLES * BINS], dim=-1)
        p = torch.relu(bins).view(-1, STAGES, ANGLES, BINS)
        index = torch.arange(BINS, dtype=p.dtype) - BINS // 2
        means = (p * (index + torch.tanh(shift).unsqueeze(-1))).sum(-1)
        widths = BINS * (1 + torch.tanh(scale))
        # ((m_3 / w_3 + m_2) / w_2 + m_1) / w_1: each stage is divided by its own width and all
        # before it.
        (m1, m2, m3), (w1, w2, w3) = means.unbind(1), widths.unbind(1)
        return ((m3 / w3 + m2) / w2 + m1) / w1 * ANGLE_RANGE_DEG


def _all_cells(stages: list[Tensor]) -> Tensor:
    """Return U, [n, 192, 64], see fsanet.all_cells."""
    flat = [u_k.view(-1, CHANNELS, SIDE * SIDE) for u_k in stages]
    return torch.cat(flat, dim=2).transpose(1, 2)


CELLWISE: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    ConvScoring: CellwiseConvScoring,
    VarianceScoring: CellwiseVarianceScoring,
}
REWRITES: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    SeparableBlock: plain_if_first,
    FineGrainedStructure: CellwiseStructure,
    AllCells: FixedAllCells,
    CapsuleLayer: UnrolledCapsules,
    SoftStagewiseRegression: MergedRegression,
}

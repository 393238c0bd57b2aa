"""
From representative features Ũ to V, one vector of 16 per stage: three ways.

All take float [n, features in, 64] and return float [n, 3, 16].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# Keras' epsilon under square roots.
EPS = 1e-7


class CapsuleLayer(nn.Module):
    """
    Dynamic routing between capsules (Sabour, Frosst, Hinton 2017), as in the official code.

    W is [capsules out, capsules in, size out, size in]; two routings; the logits belong to the
    sample.
    """

    def __init__(self, count: int, count_in: int, size: int, size_in: int) -> None:
        """Make W, to be filled by initialise."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, count_in, size, size_in))

    def initialise(self) -> None:
        """Fill W within Glorot's limits."""
        bound = math.sqrt(6.0 / (self.weight.shape[-1] + self.weight.shape[-2]))
        nn.init.uniform_(self.weight, -bound, bound)

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
        # Of two routings the first one's logits are 0: every input capsule shares itself out alike.
        output = squash(votes.sum(dim=2) / count)
        logits = (votes @ output.unsqueeze(-1)).squeeze(-1)
        # Softmax over the output capsules: each input capsule shares itself out among them.
        coupling = torch.softmax(logits, dim=1)
        return squash((coupling.unsqueeze(2) @ votes).squeeze(2))


class MetricProjection(nn.Module):
    """
    "Metric" of the official code, the paper's "no aggregation": V = Qᵀ Ũ P, without biases.

    P takes the channels to 16, Q the features to one per stage.
    """

    def __init__(self, count: int, count_in: int, size: int, size_in: int) -> None:
        """Make P and Q."""
        super().__init__()
        self.channels = nn.Linear(size_in, size, bias=False)
        self.features = nn.Linear(count_in, count, bias=False)

    def forward(self, representatives: Tensor) -> Tensor:
        """
        Project the features.

        :param representatives: float [n, features in, size in]
        :returns: float [n, features out, size out]
        """
        narrow = self.channels(representatives)
        projected: Tensor = self.features(narrow.transpose(1, 2)).transpose(1, 2)
        return projected


class NetVLAD(nn.Module):
    """
    NetVLAD (Arandjelović et al. 2016): residuals to cluster centres, softly assigned.

    As many clusters as stages; a last product brings the descriptor to one vector per stage.
    """

    def __init__(self, count: int, count_in: int, size: int, size_in: int) -> None:
        """Make the assignment, the centres and the last product, as LOUPE starts them."""
        super().__init__()
        del count_in  # any number of features goes in
        self.size = size
        self.weight = nn.Parameter(torch.empty(size_in, count))
        self.bias = nn.Parameter(torch.empty(count))
        self.centres = nn.Parameter(torch.empty(size_in, count))
        self.hidden = nn.Parameter(torch.empty(size_in * count, count * size))
        for parameter in (self.weight, self.bias, self.centres):
            nn.init.normal_(parameter, std=1 / math.sqrt(size_in))
        nn.init.normal_(self.hidden, std=1 / math.sqrt(count))

    def forward(self, representatives: Tensor) -> Tensor:
        """
        Describe the features by their residuals.

        :param representatives: float [n, features in, size in]
        :returns: float [n, clusters, size]
        """
        # a[i, k], how much feature i belongs to cluster k (equation (3) of NetVLAD).
        a = torch.softmax(representatives @ self.weight + self.bias, dim=-1)
        # V[j, k] = sum over i of a[i, k] (x[i, j] - c[j, k]) (equation (1) of NetVLAD).
        v = representatives.transpose(1, 2) @ a - a.sum(dim=1, keepdim=True) * self.centres
        v = functional.normalize(v, dim=1, eps=1e-6)
        descriptor = functional.normalize(v.flatten(1), dim=1, eps=1e-6)
        return (descriptor @ self.hidden).view(-1, self.weight.shape[1], self.size)


def squash(vectors: Tensor) -> Tensor:
    """Shorten vectors on the last axis to a length below 1, keeping their direction."""
    squared = vectors.square().sum(dim=-1, keepdim=True)
    return vectors * (squared / (1 + squared) / torch.sqrt(squared + EPS))

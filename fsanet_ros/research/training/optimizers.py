"""The optimizers: Muon, and those of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fsanet_ros.research.training.recipe import Recipe

# A smaller matrix has too few singular values for it to matter that they become equal.
SMALLEST_MATRIX = 8
# Coefficients of the polynomial that brings singular values to about 1 in a few rounds (Jordan et
# al. 2024).
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """
    Momentum with orthogonal steps, for weights that are matrices.

    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. PyTorch's own
    takes two-dimensional parameters only. Here 1x1 convolutions are matrices too, and parameters
    with more axes are stacks of matrices on the last two.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        """Take parameters for which is_matrix is true."""
        defaults = {'lr': lr, 'momentum': momentum, 'weight_decay': weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        momentum = group['momentum']
        state = self.state[parameter]
        if not state:
            state['momentum'] = torch.zeros_like(parameter)
        state['momentum'].mul_(momentum).add_(parameter.grad)
        matrices = as_matrices(parameter.grad + momentum * state['momentum'])
        rows, columns = matrices.shape[-2:]
        size = group['lr'] * max(1.0, rows / columns) ** 0.5
        parameter.mul_(1 - group['lr'] * group['weight_decay'])
        parameter.add_(orthogonal(matrices).view_as(parameter), alpha=-size)


def as_matrices(weight: Tensor) -> Tensor:
    """Return a weight as matrices [n, rows, columns]; a 1x1 convolution is one matrix."""
    if weight.ndim == 4 and weight.shape[2:] == (1, 1):
        return weight.reshape(1, *weight.shape[:2])
    return weight.reshape(-1, *weight.shape[-2:])


def orthogonal(matrices: Tensor) -> Tensor:
    """Return matrices [n, rows, columns] with their singular values brought to about 1."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        a = x @ x.mT
        x = _A * x + (_B * a + _C * a @ a) @ x
    return x if wide else x.mT


def is_matrix(weight: Tensor) -> bool:
    """Tell whether Muon should train a weight: not depthwise kernels, biases and norms."""
    if weight.ndim < 2 or (weight.ndim == 4 and weight.shape[1] == 1):
        return False
    if weight.ndim == 4 and weight.shape[2:] == (1, 1):
        return min(weight.shape[:2]) >= SMALLEST_MATRIX
    return min(weight.shape[-2:]) >= SMALLEST_MATRIX


def make_optimizers(recipe: Recipe, network: nn.Module) -> list[torch.optim.Optimizer]:
    """Return a recipe's optimizers, each parameter in exactly one of them."""
    parameters, rate, decay = list(network.parameters()), recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == 'adam':  # with Keras' epsilon
        return [torch.optim.Adam(parameters, rate, eps=1e-7, weight_decay=decay)]
    if recipe.optimizer == 'adamw':
        return [torch.optim.AdamW(parameters, rate, weight_decay=decay)]
    matrices = [p for p in parameters if is_matrix(p)]
    others = [p for p in parameters if not is_matrix(p)]
    return [
        Muon(matrices, recipe.muon_learning_rate),
        torch.optim.AdamW(others, rate, weight_decay=decay),
    ]

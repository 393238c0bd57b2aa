"""Train FSA-Net on labelled faces by a recipe: the loop, its state, and how it is continued."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fsanet_ros.files.texts import first_line
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.weight_files import find_weights
from fsanet_ros.network.fsanet import FSANet
from fsanet_ros.network.ssrnet import SSRNetMD
from fsanet_ros.network.state_files import fill, load_network
from fsanet_ros.network.variants import build_network
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.evaluation.scores import Scores, score
from fsanet_ros.research.training.batches import Batch, batches_from
from fsanet_ros.research.training.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    differences,
    read_checkpoint,
    write_checkpoint,
)
from fsanet_ros.research.training.losses import pose_loss_deg
from fsanet_ros.research.training.optimizers import make_optimizers
from fsanet_ros.research.training.recipe import Recipe
from fsanet_ros.research.training.training_data import crops_in_use

HEAD = 'error_head.'
Report = Callable[[int, Scores], None]
Watch = Callable[[int, float, float], None]


class Trainer:
    """The state of one training run: network, its running average, optimizer, step."""

    def __init__(self, recipe: Recipe, device: str = 'cpu') -> None:
        """
        Start a run.

        :param device: cpu, cuda or auto
        :raises ValueError: if there is no such device or network
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = choose_device(device)
        self.step = 0
        self.head: dict[str, Tensor] = {}  # what an error head has learned before
        # Channels last: 1.4 times as fast on a CPU.
        self.network = make_network(recipe).to(self.device)
        # PyTorch's own types do not know this one.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = make_network(recipe).to(self.device).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizers = make_optimizers(recipe, self.network)
        self._full_rates = [o.param_groups[0]['lr'] for o in self.optimizers]

    def start_from(self, weights: str | Path) -> None:
        """
        Begin with trained weights instead of initial ones.

        :param weights: a name, or a .safetensors file of the recipe's network
        :raises FileNotFoundError: if there is no such file or name
        :raises WeightsError: if it is of another network
        """
        path = find_weights(weights, '.safetensors')
        state = load_network(path)[0].state_dict()
        head = {k: v for k, v in state.items() if k.startswith(HEAD)}
        fill(self.network, {k: v for k, v in state.items() if k not in head}, path)
        self.head = {k.removeprefix(HEAD): v for k, v in head.items()}
        self.average.load_state_dict(self.network.state_dict())

    @property
    def learning_rate(self) -> float:
        """That of the last step; of AdamW, where Muon has the matrices."""
        return float(self.optimizers[-1].param_groups[0]['lr'])

    def train_step(self, batch: Batch) -> float:
        """Take one step; return the loss of the batch in degrees."""
        self.network.train()
        if self.recipe.frozen == 'shallow':
            self._freeze_shallow()
        share = schedule(self.step, self.recipe)
        crops = self._network_input(batch.crops)
        with self._computing():
            estimated = self.network(crops)
        truth = torch.from_numpy(batch.angles_deg).to(self.device)
        loss = pose_loss_deg(estimated.float(), truth, self.recipe.rotation_share)
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, rate in zip(self.optimizers, self._full_rates, strict=True):
            optimizer.param_groups[0]['lr'] = rate * share
            optimizer.step()
        self.step += 1
        self._update_average()
        return float(loss.detach())

    def _freeze_shallow(self) -> None:
        """Leave the largest feature maps' layers, batch norms too, as they are."""
        if isinstance(self.network, FSANet):
            for stream in (self.network.features.stream_a, self.network.features.stream_b):
                stream.shallow.requires_grad_(False).eval()

    def _computing(self) -> AbstractContextManager[Any]:
        if self.recipe.precision == 'float32':
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @torch.no_grad()
    def estimate(self, crops: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """
        Estimate with the averaged weights.

        :param crops: uint8 [n, 64, 64, 3] BGR
        :returns: float64 [n, 3] yaw, pitch, roll in degrees
        """
        parts = [
            self.average(self._network_input(crops[i : i + batch_size])).cpu().numpy()
            for i in range(0, len(crops), batch_size)
        ]
        return np.concatenate(parts).astype(np.float64)

    def save(self, folder: Path) -> None:
        """Write the checkpoint; an interrupted write leaves the last one."""
        tensors = {f'network.{k}': v for k, v in self.network.state_dict().items()}
        tensors |= {f'average.{k}': v for k, v in self.average.state_dict().items()}
        for which, optimizer in enumerate(self.optimizers):
            for number, values in optimizer.state_dict()['state'].items():
                tensors |= {f'optimizer.{which}.{number}.{k}': v for k, v in values.items()}
        write_checkpoint(Checkpoint(self.recipe, self.step, tensors), folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """
        Continue from a checkpoint if there is one.

        :raises ValueError: if it is damaged or belongs to another recipe
        """
        path = folder / CHECKPOINT
        if not path.is_file():
            return False
        checkpoint = read_checkpoint(path)
        if checkpoint.recipe != self.recipe:
            raise ValueError(
                f'{path} was made with another recipe '
                f'({differences(checkpoint.recipe, self.recipe)}): remove it or choose another '
                'folder'
            )
        self.network.load_state_dict(checkpoint.below('network'))
        self.average.load_state_dict(checkpoint.below('average'))
        for which, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in checkpoint.below(f'optimizer.{which}').items():
                number, name = key.split('.')
                state.setdefault(int(number), {})[name] = value
            groups = optimizer.state_dict()['param_groups']
            optimizer.load_state_dict({'state': state, 'param_groups': groups})
        self.step = checkpoint.step
        return True

    def _network_input(self, crops: np.ndarray) -> Tensor:
        # A transposed view of the pictures is channels last as it stands.
        return torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float()

    @torch.no_grad()
    def _update_average(self) -> None:
        # A shorter memory at the start, so that the average is never that of the first weights.
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        averaged = self.average.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                averaged[name].lerp_(value, 1 - decay)
            else:
                averaged[name].copy_(value)


def choose_device(name: str) -> torch.device:
    """
    Return the device of that name; auto: a GPU where PyTorch can use one, else the CPU.

    :raises ValueError: if there is no such device
    """
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = first_line(error)
        raise ValueError(f'no device {name!r} ({reason}): expected auto, cpu or cuda') from error
    if device.type == 'cuda':
        # The same numbers each time; on a CPU they are as it is.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    return device


def make_network(recipe: Recipe) -> FSANet | SSRNetMD:
    """Return the network of a recipe with its initial values."""
    network = build_network(recipe.network)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = recipe.batch_norm_momentum
    return network


def describe(recipe: Recipe, name: str) -> Description:
    """Return what weights that were trained by a recipe say of themselves."""
    return Description(
        name=name,
        crop_scale=recipe.crop_scale,
        pixel_mean=recipe.pixel_mean,
        pixel_scale=recipe.pixel_scale,
        crop=recipe.crop,
        networks=(recipe.network,),
    )


def schedule(step: int, recipe: Recipe) -> float:
    """Return the share of the full learning rate: linear warm-up, then as the recipe says."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if recipe.schedule == 'drops':
        return float(0.1 ** (step * (recipe.drops + 1) // recipe.steps))
    length = max(1, recipe.steps // recipe.cycles)
    cycle = min(step // length, recipe.cycles - 1)  # the last one takes what division leaves
    first = cycle * length if cycle else recipe.warmup_steps
    last = recipe.steps if cycle == recipe.cycles - 1 else (cycle + 1) * length
    progress = (step - first) / max(1, last - first)
    return recipe.restart_share**cycle * 0.5 * (1 + math.cos(math.pi * progress))


def train(
    trainer: Trainer,
    training: LabelledFaces,
    validation: LabelledFaces,
    folder: Path,
    validate_every: int = 2000,
    report: Report = lambda step, scores: None,
    watch: Watch = lambda step, loss_deg, learning_rate: None,
    checkpoint_every: int = 500,
) -> Scores | None:
    """
    Run the recipe to its end, with a checkpoint and a validation every so many steps.

    :param report: called with the step and the validation's scores; after a run was killed it may
        be called again for steps that it had been called for
    :param watch: called after each step with its number, mean absolute error and learning rate
    :returns: the last validation's scores, None where there is nothing to validate with
    """
    recipe = trainer.recipe
    crops = crops_in_use(validation, recipe) if len(validation) else None
    smooth = float('nan')
    # In a file, where lines are not overwritten, the hours would make megabytes of them.
    every_s = 1.0 if sys.stderr.isatty() else 60.0
    with tqdm(total=recipe.steps, initial=trainer.step, unit='step', mininterval=every_s) as bar:
        for batch in batches_from(training, recipe, trainer.step):
            loss = trainer.train_step(batch)
            watch(trainer.step, loss, trainer.learning_rate)
            smooth = loss if math.isnan(smooth) else 0.99 * smooth + 0.01 * loss
            bar.set_postfix_str(f'batch error {smooth:.2f} deg', refresh=False)
            bar.update()
            if crops is not None and trainer.step % validate_every == 0:
                # Before the checkpoint: nobody who continues from it has missed the report.
                report(trainer.step, score(trainer.estimate(crops), validation.angles_deg))
            if trainer.step % checkpoint_every == 0:
                trainer.save(folder)
    trainer.save(folder)
    return None if crops is None else score(trainer.estimate(crops), validation.angles_deg)

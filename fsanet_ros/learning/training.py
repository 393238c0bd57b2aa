"""Train FSA-Net on labelled faces: AdamW, warm-up and cosine to zero, averaged weights."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from fsanet_ros.fsanet.network import FSANet, NetworkConfig
from fsanet_ros.learning.augmentation import central_crops
from fsanet_ros.learning.batches import Batch, batches_from
from fsanet_ros.learning.faces import LabelledFaces
from fsanet_ros.learning.recipe import Recipe
from fsanet_ros.learning.scores import Scores, score

CHECKPOINT = 'checkpoint.safetensors'
Report = Callable[[int, Scores], None]


class Trainer:
    """The state of one training run: network, its running average, optimizer, step."""

    def __init__(self, recipe: Recipe, device: str = 'cpu') -> None:
        """Start a run."""
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = torch.device(device)
        self.step = 0
        config = NetworkConfig(pixel_mean=recipe.pixel_mean, pixel_scale=recipe.pixel_scale)
        # Channels last: 1.4 times as fast on a CPU.
        self.network = FSANet(config).to(self.device)
        # PyTorch's own types do not know this one.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = FSANet(config).to(self.device).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )

    def train_step(self, batch: Batch) -> float:
        """Take one step; return the mean absolute error of the batch in degrees."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group['lr'] = self.recipe.learning_rate * schedule(self.step, self.recipe)
        estimated = self.network(self._network_input(batch.crops))
        truth = torch.from_numpy(batch.angles_deg).to(self.device)
        loss = (estimated - truth).abs().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return float(loss.detach())

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
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f'network.{k}': v for k, v in self.network.state_dict().items()}
        tensors |= {f'average.{k}': v for k, v in self.average.state_dict().items()}
        for number, values in self.optimizer.state_dict()['state'].items():
            tensors |= {f'optimizer.{number}.{k}': v for k, v in values.items()}
        contiguous = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        about = {'step': str(self.step), 'recipe': json.dumps(dataclasses.asdict(self.recipe))}
        save_file(contiguous, folder / f'{CHECKPOINT}.new', metadata=about)
        (folder / f'{CHECKPOINT}.new').replace(folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """
        Continue from a checkpoint if there is one.

        :raises ValueError: if it belongs to another recipe
        """
        path = folder / CHECKPOINT
        if not path.is_file():
            return False
        with safe_open(path, 'pt') as file:
            about = file.metadata()
        if json.loads(about['recipe']) != dataclasses.asdict(self.recipe):
            raise ValueError(
                f'{path} was made with another recipe: remove it or choose another folder'
            )
        tensors = load_file(path)
        self.network.load_state_dict(_below('network', tensors))
        self.average.load_state_dict(_below('average', tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _below('optimizer', tensors).items():
            number, name = key.split('.')
            state.setdefault(int(number), {})[name] = value
        groups = self.optimizer.state_dict()['param_groups']
        self.optimizer.load_state_dict({'state': state, 'param_groups': groups})
        self.step = int(about['step'])
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


def schedule(step: int, recipe: Recipe) -> float:
    """Return the share of the full learning rate: linear warm-up, then cosine to zero."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * progress))


def train(
    trainer: Trainer,
    training: LabelledFaces,
    validation: LabelledFaces,
    folder: Path,
    validate_every: int = 2000,
    report: Report = lambda step, scores: None,
) -> Scores:
    """
    Run the recipe to its end, with a checkpoint and a validation every so many steps.

    :param report: called with the step and the validation's scores
    :returns: the last validation's scores
    """
    recipe = trainer.recipe
    crops = central_crops(validation.pictures, recipe.crop_scale)
    smooth = float('nan')
    with tqdm(total=recipe.steps, initial=trainer.step, unit='step', mininterval=1.0) as bar:
        for batch in batches_from(training, recipe, trainer.step):
            loss = trainer.train_step(batch)
            smooth = loss if math.isnan(smooth) else 0.99 * smooth + 0.01 * loss
            bar.set_postfix_str(f'batch error {smooth:.2f} deg', refresh=False)
            bar.update()
            if trainer.step % validate_every == 0:
                trainer.save(folder)
                report(trainer.step, score(trainer.estimate(crops), validation.angles_deg))
    trainer.save(folder)
    return score(trainer.estimate(crops), validation.angles_deg)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f'{prefix}.'
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}

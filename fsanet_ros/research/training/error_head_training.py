"""
Teach a network's error head how far off its angles are; the angles stay what they are.

The head is shown what training shows; the same, harder to read; faces that lie, turned in the plane
by any angle, and boxes that are far off, of which the error is known; and what is no face to the
network: heads that are turned away or upside down, and corners, pieces and shuffled parts of
pictures, of which any rotation is as true as any other. The loss is the negative
log likelihood of Laplace's distribution, whose scale is the mean absolute error about an axis.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from tqdm import trange

from fsanet_ros.geometry import rotations
from fsanet_ros.network.error_head import ErrorHead, FSANetWithErrorHead
from fsanet_ros.network.fsanet import FSANet
from fsanet_ros.network.variants import build_network
from fsanet_ros.research.augmentation.varied_crops import Augmentation, augment, turn_in_plane
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.evaluation.pose_errors import mean_errors_deg
from fsanet_ros.research.training.batches import Batch, make_batch, sampling
from fsanet_ros.research.training.recipe import Recipe

LEARNING_RATE = 2e-3
# Of each batch, besides faces as in training; the second of each kind of what is no face to it.
HARDER_SHARE, ODD_SHARE = 0.25, 0.05
CORNER_SHARES = 0.12, 0.3  # of the face square's side
PIECE_SHARES = 0.2, 0.45

HARDER: dict[str, Any] = {
    'low_resolution_share': 0.4,
    'low_resolution_min': 8,
    'blur_share': 0.3,
    'blur_sigma_max': 4.0,
    'dark_share': 0.2,
    'cover_share': 0.3,
    'jpeg_share': 0.2,
    'jpeg_quality_min': 5,
    'noise_sigma_max': 30.0,
}

LYING: dict[str, Any] = {'circle_share': 1.0}
OFF: dict[str, Any] = {'scale_min': 0.55, 'scale_max': 2.2, 'shift_sigma': 0.2}

Crops = NDArray[np.uint8]
Matrices = NDArray[np.float64]


def with_error_head(
    network: FSANet,
    recipe: Recipe,
    faces: LabelledFaces,
    turned_away: LabelledFaces | None,
    start: Mapping[str, Tensor] | None = None,
) -> FSANet:
    """
    Return the network with a head that was taught by the recipe's number of samples.

    :param network: trained; it is not changed
    :param faces: those that it was trained on
    :param turned_away: heads with yaw beyond what it can say; None: there are none
    :param start: what a head has learned before, its state
    """
    torch.manual_seed(recipe.seed)
    config = dataclasses.replace(network.config, error_head=True)
    taught = build_network(config).eval()
    assert isinstance(taught, FSANetWithErrorHead)
    taught.load_state_dict(network.state_dict(), strict=False)
    if start:
        taught.error_head.load_state_dict(start)
    head = taught.error_head.train()
    steps = max(1, recipe.error_head_samples // recipe.batch_size)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    examples = _examples(faces, turned_away, recipe)
    for _ in trange(steps, desc='teaching the error head', unit='step', leave=False):
        crops, truth = next(examples)
        loss = _loss(taught, head, crops, truth)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rate.step()
    return taught.eval()


def _loss(network: FSANet, head: ErrorHead, crops: Crops, truth: Matrices) -> Tensor:
    with torch.no_grad():
        stages = network.feature_maps(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
        vectors = network.vectors(stages)
        angles = network.regression(vectors).numpy()
    errors = torch.from_numpy(mean_errors_deg(angles, truth)).float()
    expected = head(stages, vectors)
    return (errors / expected + expected.log()).mean()


def _examples(
    faces: LabelledFaces, turned_away: LabelledFaces | None, recipe: Recipe
) -> Iterator[tuple[Crops, Matrices]]:
    """Yield batches of crops and their true rotations; of what is no face, any rotation."""
    probabilities = sampling(faces, recipe)
    settings = recipe.augmentation
    assert isinstance(settings, Augmentation)
    kinds = [(_corner, faces), (_piece, faces), (_shuffled, faces), (_upside_down, faces)]
    if turned_away is not None and len(turned_away):
        kinds.append((_as_it_is, turned_away))
    varied = {
        'harder': (HARDER, HARDER_SHARE),
        'lying': (LYING, ODD_SHARE),
        'off': (OFF, ODD_SHARE),
    }
    odd = max(1, round(ODD_SHARE * recipe.batch_size))
    recipes = [
        dataclasses.replace(
            recipe,
            epochs=0,
            batch_size=max(1, round(share * recipe.batch_size)),
            seed=recipe.seed + number,
            augmentation=dataclasses.replace(settings, **changes),
        )
        for number, (changes, share) in enumerate(varied.values(), 1)
    ]
    others = odd * len(kinds) + sum(r.batch_size for r in recipes)
    recipes.append(
        dataclasses.replace(recipe, epochs=0, batch_size=max(1, recipe.batch_size - others))
    )
    for step in itertools.count(recipe.steps):
        rng = np.random.default_rng((recipe.seed, step, 2))
        parts = [_with_rotations(make_batch(faces, probabilities, r, step)) for r in recipes]
        for odd_one, among in kinds:
            pictures = [odd_one(among, i, rng) for i in rng.integers(len(among), size=odd)]
            parts.extend(
                (c[None], t[None]) for c, t in (augment(*p, settings, rng) for p in pictures)
            )
        crops, truth = zip(*parts, strict=True)
        yield np.concatenate(crops), np.concatenate(truth)


def _with_rotations(batch: Batch) -> tuple[Crops, Matrices]:
    angles = batch.angles_deg.astype(np.float64)
    return batch.crops, rotations.matrix_from_yaw_pitch_roll_deg(angles)


def _as_it_is(faces: LabelledFaces, index: int, rng: np.random.Generator) -> tuple[Crops, Matrices]:
    return faces.pictures[index], faces.rotations[index]


def _upside_down(
    faces: LabelledFaces, index: int, rng: np.random.Generator
) -> tuple[Crops, Matrices]:
    upside_down = np.ascontiguousarray(np.rot90(faces.pictures[index], 2))
    return upside_down, turn_in_plane(faces.rotations[index], 180.0)


def _corner(faces: LabelledFaces, index: int, rng: np.random.Generator) -> tuple[Crops, Matrices]:
    """Return a corner with so little of the face that nobody could say its pose."""
    picture = faces.pictures[index]
    side = round(rng.uniform(*CORNER_SHARES) * picture.shape[0])
    rows, columns = (slice(side) if rng.random() < 0.5 else slice(-side, None) for _ in 'xy')
    return np.ascontiguousarray(picture[rows, columns]), _any_rotation(rng)


def _piece(faces: LabelledFaces, index: int, rng: np.random.Generator) -> tuple[Crops, Matrices]:
    """Return a part of the face, an eye or a mouth and a cheek, as if it were one."""
    picture = faces.pictures[index]
    side = round(rng.uniform(*PIECE_SHARES) * picture.shape[0])
    top, left = (int(rng.integers(picture.shape[0] - side)) for _ in 'yx')
    return np.ascontiguousarray(picture[top : top + side, left : left + side]), _any_rotation(rng)


def _shuffled(faces: LabelledFaces, index: int, rng: np.random.Generator) -> tuple[Crops, Matrices]:
    """Return the parts of a picture in another order: as sharp as a face, and none."""
    picture = faces.pictures[index]
    count = int(rng.integers(3, 7))
    side = picture.shape[0] // count
    parts = picture[: count * side, : count * side].reshape(count, side, count, side, 3)
    parts = rng.permutation(parts.swapaxes(1, 2).reshape(-1, side, side, 3))
    grid = parts.reshape(count, count, side, side, 3).swapaxes(1, 2)
    return grid.reshape(count * side, count * side, 3), _any_rotation(rng)


def _any_rotation(rng: np.random.Generator) -> Matrices:
    matrix: Matrices = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
    return matrix

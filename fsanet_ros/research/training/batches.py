"""Batches of augmented faces, which depend on the seed and the step only."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry import rotations
from fsanet_ros.research.augmentation.official_augmentation import (
    OfficialAugmentation,
    augment_official,
)
from fsanet_ros.research.augmentation.varied_crops import Augmentation, augment
from fsanet_ros.research.datasets.faces import MAX_ANGLE_DEG, LabelledFaces
from fsanet_ros.research.evaluation.pose_errors import smallest_angles_deg
from fsanet_ros.research.training.recipe import Recipe

ATTEMPTS = 8
AHEAD = 8  # batches made while the network works

Sample = tuple[NDArray[np.uint8], NDArray[np.float64]]  # crop, yaw, pitch, roll in degrees
Vary = Callable[[LabelledFaces, int, np.random.Generator], Sample | None]


@dataclass(frozen=True, eq=False)
class Batch:
    """``crops``: uint8 [n, 64, 64, 3] BGR; ``angles_deg``: float32 [n, 3]."""

    crops: NDArray[np.uint8]
    angles_deg: NDArray[np.float32]


def rarity_weights(angles_deg: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """
    Return sampling probabilities that favour rare poses.

    :param angles_deg: [n, 3]; yaw and pitch are counted in cells of 15 degrees
    :param exponent: 0 makes all faces equally likely, 1 all cells
    :returns: float64 [n], sums to 1
    """
    cells = np.floor(angles_deg[:, :2] / 15.0).astype(int)
    _, cell, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    weights = counts[cell.reshape(-1)].astype(np.float64) ** -exponent
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities


def make_batch(
    faces: LabelledFaces, probabilities: NDArray[np.float64], recipe: Recipe, step: int
) -> Batch:
    """Return the batch of one step."""
    rng = np.random.default_rng((recipe.seed, step))
    if recipe.epochs:
        indices = _of_epoch(len(faces), recipe, step)
    else:
        indices = rng.choice(len(faces), recipe.batch_size, p=probabilities)
    vary = _varier(recipe.augmentation)
    varied = [sample for index in indices if (sample := vary(faces, index, rng)) is not None]
    crops, angles = zip(*varied, strict=True)
    return Batch(np.stack(crops), np.stack(angles).astype(np.float32))


def _of_epoch(count: int, recipe: Recipe, step: int) -> NDArray[np.int64]:
    """Return the faces of a step if each is seen once per epoch, in a new order each time."""
    epoch, number = divmod(step, recipe.steps_per_epoch(count))
    first = number * recipe.batch_size
    return _order(recipe.seed, epoch, count)[first : first + recipe.batch_size]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, 1)).permutation(count)


def _varier(settings: Augmentation | OfficialAugmentation) -> Vary:
    if isinstance(settings, OfficialAugmentation):
        return partial(_vary_crop, settings)
    return partial(_vary_face_square, settings)


def _vary_crop(
    settings: OfficialAugmentation, faces: LabelledFaces, index: int, rng: np.random.Generator
) -> Sample:
    return augment_official(faces.pictures[index], settings, rng), faces.angles_deg[index]


def _vary_face_square(
    settings: Augmentation, faces: LabelledFaces, index: int, rng: np.random.Generator
) -> Sample | None:
    for _ in range(ATTEMPTS):
        crop, rotation = augment(faces.pictures[index], faces.rotations[index], settings, rng)
        pose = rotations.yaw_pitch_roll_deg_from_matrix(rotation)
        if abs(faces.angles_deg[index, 0]) > 90.0:
            pose = smallest_angles_deg(rotation[None])[0]
        # Turning can push an angle over the paper's limit; draw such a sample again, but where
        # faces are to be known at any turn in the plane.
        if settings.circle_share or np.abs(pose).max() <= MAX_ANGLE_DEG:
            return crop, pose
    return None


def sampling(faces: LabelledFaces, recipe: Recipe) -> NDArray[np.float64]:
    """
    Return the probability of drawing each face, float64 [n], sums to 1.

    Rare poses are favoured within each set of faces; the sets have the recipe's shares.
    """
    weights = np.ones(len(faces)) if faces.weights is None else faces.weights
    if faces.sets is None:
        probabilities = weights * rarity_weights(faces.angles_deg, recipe.rarity)
        return np.asarray(probabilities / probabilities.sum(), np.float64)
    probabilities = np.zeros(len(faces))
    shares = {recipe.data: 1.0 - sum(recipe.also.values()), **recipe.also}
    for name, share in shares.items():
        of_set = faces.sets == name
        drawn = weights[of_set] * rarity_weights(faces.angles_deg[of_set], recipe.rarity)
        probabilities[of_set] = share * drawn / drawn.sum()
    normalised: NDArray[np.float64] = probabilities / probabilities.sum()
    return normalised


def batches_from(faces: LabelledFaces, recipe: Recipe, first_step: int) -> Iterator[Batch]:
    """Yield the batches of all steps from the first on; a thread makes them ahead."""
    probabilities = sampling(faces, recipe)
    ready: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)

    def work() -> None:
        try:
            for step in range(first_step, recipe.steps):
                ready.put(make_batch(faces, probabilities, recipe, step))
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    for _ in range(first_step, recipe.steps):
        item = ready.get()
        if isinstance(item, BaseException):
            raise item
        yield item

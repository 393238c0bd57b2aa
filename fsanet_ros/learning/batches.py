"""Batches of augmented faces, each a function of the seed and the step alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry import rotations
from fsanet_ros.learning.augmentation import augment
from fsanet_ros.learning.faces import MAX_ANGLE_DEG, LabelledFaces
from fsanet_ros.learning.recipe import Recipe

ATTEMPTS = 8
AHEAD = 8  # batches made while the network works


@dataclass(frozen=True, eq=False)
class Batch:
    """``crops``: uint8 [n, 64, 64, 3] BGR; ``angles_deg``: float32 [n, 3]."""

    crops: NDArray[np.uint8]
    angles_deg: NDArray[np.float32]


def rarity_weights(angles_deg: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """
    Return sampling probabilities that favour poses seldom seen.

    :param angles_deg: [n, 3]; yaw and pitch are counted in cells of 15 degrees
    :param exponent: 0 draws all alike, 1 every cell alike
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
    crops, angles = [], []
    for index in rng.choice(len(faces), recipe.batch_size, p=probabilities):
        for _ in range(ATTEMPTS):
            crop, rotation = augment(
                faces.pictures[index], faces.rotations[index], recipe.augmentation, rng
            )
            pose = rotations.yaw_pitch_roll_deg_from_matrix(rotation)
            # Turning can push an angle over the paper's limit; draw such a sample again.
            if np.abs(pose).max() <= MAX_ANGLE_DEG:
                crops.append(crop)
                angles.append(pose)
                break
    return Batch(np.stack(crops), np.stack(angles).astype(np.float32))


def batches_from(faces: LabelledFaces, recipe: Recipe, first_step: int) -> Iterator[Batch]:
    """Yield the batches of all steps from one on, made ahead in a thread of their own."""
    probabilities = rarity_weights(faces.angles_deg, recipe.rarity)
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

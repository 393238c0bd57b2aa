"""Whether a network is unsure of what it cannot read: pieces of faces, lying faces, no faces."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from fsanet_ros.files.pictures import decode_picture
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.inference.second_look import stands_on_its_head
from fsanet_ros.research.augmentation.varied_crops import central_crops, seen_from
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.evaluation.pose_errors import mean_errors_deg

COUNT = 500  # pictures of each kind
PATCHES = 4  # of each photograph
LOST_SHARE = 0.01  # of good faces, where the limit is drawn
_PIECE_SHARES, _CORNER_SHARES = (0.2, 0.45), (0.12, 0.3)  # of the face square's side
_SMALLEST_PATCH_PX = 24
_SEED = 7

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Unsure:
    """
    How well the expected error knows what is readable.

    ``rank_correlation``: Spearman's, of expected and real mean error about an axis, on faces.
    ``limit_deg``: the expected error that 1 % of the faces exceed. ``rows``: by kind of picture,
    their number, the median expected error in degrees, the share above the limit, and the share
    that a second look takes for faces on their heads; see inference.second_look.
    """

    rank_correlation: float
    limit_deg: float
    rows: dict[str, tuple[int, float, float, float]]


def known_as_unsure(
    runtime: Runtime, faces: LabelledFaces, others: dict[str, list[Picture]]
) -> Unsure:
    """
    Compare the expected errors of faces with those of pictures that show no readable face.

    :param others: by kind, face squares uint8 [s, s, 3]: odd_pictures, patches_of_photos
    :raises ValueError: if the weights have no error head
    """
    angles, expected = runtime.with_expected_error(
        central_crops(faces.pictures, runtime.description.crop_scale)
    )
    if expected is None:
        raise ValueError(f'{runtime.description.name} expects no error: it has no error head')
    limit = float(np.quantile(expected, 1 - LOST_SHARE))
    rows = {}
    for name, pictures in others.items():
        crops = central_crops(np.stack(pictures), runtime.description.crop_scale)
        said = runtime.with_expected_error(crops)[1]
        turned = runtime.with_expected_error(np.ascontiguousarray(crops[:, ::-1, ::-1]))[1]
        assert said is not None and turned is not None
        rows[name] = (
            len(said),
            float(np.median(said)),
            float((said > limit).mean()),
            float(stands_on_its_head(said, turned).mean()),
        )
    real = mean_errors_deg(angles, faces.rotations)
    return Unsure(float(spearmanr(expected, real)[0]), limit, rows)


def odd_pictures(faces: LabelledFaces) -> dict[str, list[Picture]]:
    """Return, by kind, pictures made of faces that show none that can be read."""
    rng = np.random.default_rng(_SEED)
    chosen = faces.pictures[rng.permutation(len(faces))[:COUNT]]
    return {
        'pieces of faces': [_piece(picture, rng) for picture in chosen],
        'corners': [_corner(picture, rng) for picture in chosen],
        'upside down': [np.ascontiguousarray(np.rot90(picture, 2)) for picture in chosen],
        'lying': [_lying(picture, number % 2 == 0) for number, picture in enumerate(chosen)],
    }


def patches_of_photos(path: Path, count: int = COUNT, side_px: int = 120) -> list[Picture]:
    """
    Return squares from anywhere in photographs that show no people.

    :param path: a zip file of JPEG files
    :returns: uint8 [side_px, side_px, 3], as many as ``count`` or all that there are
    :raises FileNotFoundError: if there is no such file
    """
    rng = np.random.default_rng(_SEED)
    patches: list[Picture] = []
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith('.jpg'))
        for name in rng.permutation(names)[: -(-count // PATCHES)]:
            photo = decode_picture(np.frombuffer(archive.read(str(name)), np.uint8))
            patches += [_patch(photo, side_px, rng) for _ in range(PATCHES)]
    return patches[:count]


def _patch(photo: Picture, side_px: int, rng: np.random.Generator) -> Picture:
    side = int(rng.integers(_SMALLEST_PATCH_PX, min(photo.shape[:2]) // 2))
    top, left = (int(rng.integers(size - side)) for size in photo.shape[:2])
    return _enlarged(photo[top : top + side, left : left + side], side_px)


def _piece(picture: Picture, rng: np.random.Generator) -> Picture:
    side = round(rng.uniform(*_PIECE_SHARES) * picture.shape[0])
    top, left = rng.integers(picture.shape[0] - side, size=2)
    return _enlarged(picture[top : top + side, left : left + side], picture.shape[0])


def _corner(picture: Picture, rng: np.random.Generator) -> Picture:
    side = round(rng.uniform(*_CORNER_SHARES) * picture.shape[0])
    rows, columns = (slice(side) if rng.random() < 0.5 else slice(-side, None) for _ in 'xy')
    return _enlarged(picture[rows, columns], picture.shape[0])


def _enlarged(part: Picture, side_px: int) -> Picture:
    resized = cv2.resize(np.ascontiguousarray(part), (side_px, side_px))
    return np.asarray(resized, np.uint8)


def _lying(picture: Picture, on_the_left: bool) -> Picture:
    turn_deg = 90.0 if on_the_left else -90.0
    return seen_from(
        picture, picture.shape[0], False, turn_deg, 1.0, np.zeros(2), cv2.BORDER_REPLICATE
    )

"""Face detectors side by side: how long they take and how many faces they find, by input size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fsanet_ros.benchmarks.scenes import Scene, count_found
from fsanet_ros.benchmarks.timing import Spread, spread, timed_ms
from fsanet_ros.detection import FaceDetector
from fsanet_ros.research.augmentation.placed_faces import place
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.detectors import COMPARED_NAMES, make_any_detector
from fsanet_ros.types import Face, Image, Square

SIZES = (320, 480, 640)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, uint8 [h, w, 3] BGR, and the squares of all faces that are in it."""

    image: Image
    squares: Sequence[Square]


@dataclass(frozen=True)
class DetectorFigures:
    """
    What a detector did at a size on some pictures.

    ``recall``: the share of the faces that it found, NaN where there are none. ``false_per_image``:
    what it found beside them. ``time_ms``: for a picture.
    """

    detector: str
    detection_size: int
    pictures: str
    count: int
    faces: int
    recall: float
    false_per_image: float
    time_ms: Spread


def at_hand(
    names: Iterable[str] = COMPARED_NAMES,
    sizes: Iterable[int] = SIZES,
    models: Mapping[str, str] | None = None,
) -> tuple[dict[tuple[str, int], FaceDetector], dict[str, str]]:
    """
    Make the detectors that can be made here.

    :param sizes: their detection sizes
    :param models: model files, by the name of the detector
    :returns: detectors by name and size, and why the others can not run, by name
    """
    sizes = list(sizes)
    made: dict[tuple[str, int], FaceDetector] = {}
    missing: dict[str, str] = {}
    for name in names:
        model = (models or {}).get(name, '')
        try:
            made |= {(name, s): make_any_detector(name, detection_size=s, model_path=model)
                     for s in sizes}  # fmt: skip
        except (ImportError, OSError, ValueError) as error:
            missing[name] = str(error)
    return made, missing


def pictures_of_scenes(scenes: Iterable[Scene]) -> list[Picture]:
    """Return the pictures of scenes."""
    return [
        Picture(image, squares)
        for scene in scenes
        for image, squares in zip(scene.images, scene.squares, strict=True)
    ]


def pictures_of_faces(faces: LabelledFaces, count: int, seed: int = 0) -> Iterator[Picture]:
    """Yield ``count`` of the faces, or all, each somewhere in an image; the same for a seed."""
    rng = np.random.default_rng(seed)
    for index in rng.permutation(len(faces))[:count]:
        image, square = place(faces.pictures[index], rng)
        yield Picture(image, [square])


def measure_detectors(
    detectors: Mapping[tuple[str, int], FaceDetector],
    name: str,
    pictures: Iterable[Picture],
    repeat: int = 1,
) -> list[DetectorFigures]:
    """
    Time all detectors on all pictures, in turns, and count what they find.

    :param name: of the pictures, for the figures
    :param repeat: how often each picture is looked at; the first time counts for the recall
    :raises ValueError: if there are no pictures
    """
    tallies = {key: _Tally() for key in detectors}
    warm = False
    for number, picture in enumerate(pictures):
        keys = list(detectors)[:: 1 if number % 2 else -1]
        if not warm:
            for detector in detectors.values():
                detector.detect(picture.image)
            warm = True
        for turn in range(repeat):
            for key in keys:
                found: list[Face] = []
                look = partial(_look, detectors[key], picture.image, found)
                tallies[key].times_ms.append(timed_ms(look))
                if not turn:
                    tallies[key].count(found, picture.squares)
    return [tally.figures(*key, name) for key, tally in tallies.items()]


class _Tally:
    def __init__(self) -> None:
        self.times_ms: list[float] = []
        self._pictures = self._faces = self._found = self._false = 0

    def count(self, found: Sequence[Face], squares: Sequence[Square]) -> None:
        right = count_found(found, squares)
        self._pictures += 1
        self._faces += len(squares)
        self._found += right
        self._false += len(found) - right

    def figures(self, detector: str, size: int, name: str) -> DetectorFigures:
        if not self._pictures:
            raise ValueError(f'{name}: there are no pictures, expected at least one')
        recall = self._found / self._faces if self._faces else float('nan')
        return DetectorFigures(
            detector=detector,
            detection_size=size,
            pictures=name,
            count=self._pictures,
            faces=self._faces,
            recall=recall,
            false_per_image=self._false / self._pictures,
            time_ms=spread(self.times_ms),
        )


def _look(detector: FaceDetector, image: Image, found: list[Face]) -> None:
    found += detector.detect(image)

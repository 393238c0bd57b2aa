"""Rendered faces on disk: parts from which a stopped run continues, and the whole data set."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.files.array_files import Layout, read_arrays
from fsanet_ros.research.rendering import HeadModel
from fsanet_ros.research.rendering.rendered_faces import (
    POSES_PER_PERSON,
    RenderedFace,
    render_person,
)

# Any, because older NumPy's types take each array for a keyword of savez.
Arrays = dict[str, Any]

PERSONS_PER_PART = 5
FACES_PER_PART = PERSONS_PER_PART * POSES_PER_PERSON
_QUALITY = 95
_PART: Layout = {
    'jpeg': ('whole numbers', ('bytes',)),
    'jpeg_end': ('whole numbers', ('n',)),
    'name': ('texts', ('n',)),
    'person': ('texts', ('n',)),
    'yaw_pitch_roll_deg': ('numbers', ('n', 3)),
    'rotation_optical': ('numbers', ('n', 3, 3)),
    'flip_disagreement_deg': ('numbers', ('n',)),
    'landmarks68': ('numbers', ('n', 68, 2)),
    'in_range': ('yes or no', ('n',)),
    'covered': ('texts', ('n',)),
}
# The same bytes every time.
_ZIP_DATE = (2000, 1, 1, 0, 0, 0)


def part_path(folder: Path, part: int) -> Path:
    """Return the file of a part, numbered from 0."""
    return folder / 'parts' / f'{part:05d}.npz'


def part_count(count: int) -> int:
    """Return the number of parts for ``count`` faces."""
    return -(-count // FACES_PER_PART)


def write_part(model: HeadModel, folder: Path, part: int, seed: int, *, bare: bool = False) -> None:
    """Render a part, 100 faces of 5 people, and write it; half a minute."""
    people = range(part * PERSONS_PER_PART, (part + 1) * PERSONS_PER_PART)
    faces = [
        (person, face)
        for person in people
        for face in render_person(model, POSES_PER_PERSON, _person_seed(seed, person), bare=bare)
    ]
    path = part_path(folder, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A part is complete or absent, however the run ends.
    draft = path.with_suffix(f'.{os.getpid()}')
    with draft.open('wb') as file:
        np.savez(file, **_arrays(faces, seed))
    draft.replace(path)


def check_seed(folder: Path, seed: int) -> None:
    """Raise ValueError if a folder holds parts of another seed, as sets must not mix."""
    for path in sorted((folder / 'parts').glob('*.npz'))[:1]:
        found = str(read_arrays(path, _PART)['name'][0]).partition('_')[0]
        if found != _label(seed):
            raise ValueError(
                f'{folder} holds faces of seed {int(found)}, not {seed}: choose another folder'
            )


def _label(seed: int) -> str:
    return f'{seed:02d}'


def _person_seed(seed: int, person: int) -> int:
    return int(np.random.SeedSequence([seed, person]).generate_state(1)[0])


def _arrays(faces: Sequence[tuple[int, RenderedFace]], seed: int) -> Arrays:
    files = [_jpeg(face) for _, face in faces]
    angles = np.stack([face.angles_deg for _, face in faces])
    return {
        'jpeg': np.concatenate(files),
        'jpeg_end': np.cumsum([len(file) for file in files]),
        'name': np.array(
            [
                f'{_label(seed)}_{person:05d}_{number % POSES_PER_PERSON:02d}.jpg'
                for number, (person, _) in enumerate(faces)
            ]
        ),
        'person': np.array([f'{_label(seed)}_{person:05d}' for person, _ in faces]),
        'yaw_pitch_roll_deg': angles,
        'rotation_optical': np.stack([face.rotation for _, face in faces]),
        # Always 0: readers of sets labelled by a teacher ask how far it contradicts itself.
        'flip_disagreement_deg': np.zeros(len(faces)),
        'landmarks68': np.stack([face.landmarks_px for _, face in faces]),
        'in_range': np.array([face.in_range for _, face in faces]),
        'covered': np.array([face.covered for _, face in faces], 'U32'),
    }


def _jpeg(face: RenderedFace) -> NDArray[np.uint8]:
    _, data = cv2.imencode('.jpg', face.picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(data, np.uint8).ravel()


def assemble(folder: Path, count: int) -> int:
    """
    Write faces_120.zip and labels.npz in ``folder`` from the parts in it.

    :param count: use only the parts for so many faces
    :returns: the number of faces written
    :raises FileNotFoundError: if there are no parts
    :raises ValueError: if one is damaged
    """
    paths = [part_path(folder, part) for part in range(part_count(count))]
    labels: list[Arrays] = []
    draft = folder / 'faces_120.zip.new'
    with zipfile.ZipFile(draft, 'w') as archive:
        for path in (path for path in paths if path.is_file()):
            arrays = read_arrays(path, _PART)
            ends, data = arrays.pop('jpeg_end'), arrays.pop('jpeg')
            pictures = np.split(data, ends[:-1])
            for name, picture in zip(arrays['name'], pictures, strict=True):
                archive.writestr(zipfile.ZipInfo(str(name), _ZIP_DATE), picture.tobytes())
            labels.append(arrays)
    if not labels:
        draft.unlink()
        raise FileNotFoundError(f'{folder / "parts"} holds no parts: render some first')
    joined: Arrays = {name: np.concatenate([part[name] for part in labels]) for name in labels[0]}
    np.savez(folder / 'labels.npz', **joined)
    draft.replace(folder / 'faces_120.zip')
    return len(joined['name'])

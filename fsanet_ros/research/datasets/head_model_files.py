"""ICT-FaceKit as published, packed as the one file that ``./run render`` reads."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

NEUTRAL, INDICES = 'generic_neutral_mesh.obj', 'vertex_indices.json'
VERTICES = 26719
_EXPECTED = 'expected a clone of https://github.com/ICT-VGL/ICT-FaceKit, or its folder FaceXModel'


def pack_head_model(source: Path, output: Path) -> tuple[int, int]:
    """
    Write neutral shape, triangles, offsets of identities and expressions, and landmarks.

    :param source: the clone, or its folder FaceXModel
    :param output: an .npz file, about 12 MB
    :returns: how many identities and expressions there are
    :raises FileNotFoundError: if the folder is something else
    :raises ValueError: naming the file that is damaged, or of another version
    """
    folder = source / 'FaceXModel' if (source / 'FaceXModel').is_dir() else source
    for name in (NEUTRAL, INDICES):
        if not (folder / name).is_file():
            raise FileNotFoundError(f'{folder} has no {name}: {_EXPECTED}')
    neutral, triangles = read_mesh(folder / NEUTRAL)
    if len(neutral) != VERTICES:
        raise ValueError(
            f'{folder / NEUTRAL} has {len(neutral)} vertices, expected {VERTICES}: another version '
            'of ICT-FaceKit'
        )
    others = sorted(path for path in folder.glob('*.obj') if path.name != NEUTRAL)
    identities = [path for path in others if path.name.startswith('identity')]
    expressions = [path for path in others if path not in identities]
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f'.{output.stem}.part.npz')
    try:
        np.savez_compressed(
            part,
            neutral=neutral.astype(np.float32),
            triangles=triangles,
            identity=_offsets(identities, neutral),
            identity_names=np.array([path.name for path in identities]),
            expression=_offsets(expressions, neutral),
            expression_names=np.array([path.stem for path in expressions]),
            landmarks68=_landmarks(folder / INDICES),
        )
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return len(identities), len(expressions)


def read_mesh(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """
    Read vertices, float64 [n, 3], and triangles, int32 [m, 3], of a Wavefront .obj file.

    Faces with more corners become triangles around the first corner.

    :raises ValueError: naming the file if it is no mesh
    """
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    try:
        with path.open(encoding='ascii', errors='replace') as file:
            for line in file:
                kind, *words = line.split() or ['']
                if kind == 'v':
                    vertices.append([float(word) for word in words[:3]])
                elif kind == 'f':
                    first, *rest = (int(word.partition('/')[0]) - 1 for word in words)
                    triangles += [(first, a, b) for a, b in pairwise(rest)]
        mesh = np.array(vertices, np.float64).reshape(-1, 3), np.array(triangles, np.int32)
    except ValueError as error:
        raise ValueError(f'{path} is no readable .obj file ({error})') from error
    return mesh[0], mesh[1].reshape(-1, 3)


def _offsets(paths: list[Path], neutral: NDArray[np.float64]) -> NDArray[np.float16]:
    offsets = np.zeros((len(paths), *neutral.shape), np.float16)
    for index, path in enumerate(tqdm(paths, unit='mesh', leave=False, disable=None)):
        vertices, _ = read_mesh(path)
        if vertices.shape != neutral.shape:
            raise ValueError(
                f'{path} has {len(vertices)} vertices, expected the {len(neutral)} of {NEUTRAL}'
            )
        offsets[index] = vertices - neutral
    return offsets


def _landmarks(path: Path) -> NDArray[np.int32]:
    try:
        found = np.array(json.loads(path.read_text(encoding='utf-8'))['idx_to_landmark_verts'])
        if found.shape != (68,) or found.min() < 0 or found.max() >= VERTICES:
            raise ValueError(f'idx_to_landmark_verts has the shape {found.shape}')
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} names no 68 landmarks ({error})') from error
    return found.astype(np.int32)

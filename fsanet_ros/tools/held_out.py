"""
Compare weights on faces that no training saw: labels of several teachers, turned and hidden faces.

AFLW faces kept aside against labels that ./run labels made (those expected to be within 8 degrees),
upright, turned in the plane, with the lower face covered, in the dark and 16 pixels wide; rendered
heads of exact pose, with and without things worn; and what the network should be unsure of:
pieces of faces, lying faces, patches of photographs without people. Geodesic error first, then the
mean absolute error of the angles, in degrees.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry import rotations
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.inference.passes import mirrored_pass, single_pass
from fsanet_ros.research.augmentation.varied_crops import central_crops, seen_from, turn_in_plane
from fsanet_ros.research.datasets.faces import (
    LabelledFaces,
    covered_of_rendered,
    load_rendered_faces,
)
from fsanet_ros.research.evaluation.pose_errors import smallest_angles_deg
from fsanet_ros.research.evaluation.unsure import (
    known_as_unsure,
    odd_pictures,
    patches_of_photos,
)
from fsanet_ros.research.training.label_calibration import slopes
from fsanet_ros.research.training.training_data import load_kept_aside

TURNS_DEG = (45, 60, 75, 90, 180)
UNSURE_DEG = 15.0
_LIGHT, _NOISE, _SMALL_PX, _MASK = 0.15, 3.0, 16, (200, 190, 170)

Pictures = NDArray[np.uint8]
FloatArray = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when a file is missing or wrong."""
    arguments = _parser().parse_args(argv)
    try:
        faces = load_kept_aside(arguments.root, arguments.labels, arguments.recipe)
        heads = load_rendered_faces(arguments.rendered) if arguments.rendered else None
        for weights in arguments.weights:
            print(f'{weights}, {len(faces)} faces')
            runtime = OnnxRuntime(weights)
            print('\n'.join(_upright(runtime, faces) + _hidden(runtime, faces)))
            print('\n'.join(_turned(runtime, faces)))
            print('\n'.join(_unsure(runtime, faces, arguments.photos)))
            if heads is not None:
                covered = covered_of_rendered(arguments.rendered, heads.names)
                print('\n'.join(_rendered(runtime, heads, covered)))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def _upright(runtime: OnnxRuntime, faces: LabelledFaces) -> list[str]:
    crops = central_crops(faces.pictures, runtime.description.crop_scale)
    plain = runtime(crops)
    both = mirrored_pass(runtime, crops).rotations
    angles = rotations.yaw_pitch_roll_deg_from_matrix(both)
    matrices = rotations.matrix_from_yaw_pitch_roll_deg(plain)
    azimuth, elevation = slopes(matrices, faces.rotations)
    return [
        f'  one pass            {_row(plain, matrices, faces.rotations)}; slope of azimuth '
        f'{azimuth:.3f}, of elevation {elevation:.3f}',
        f'  with the mirrored   {_row(angles, both, faces.rotations)}',
    ]


def _hidden(runtime: OnnxRuntime, faces: LabelledFaces) -> list[str]:
    rng = np.random.default_rng(0)
    changes: dict[str, Callable[[Pictures], Pictures]] = {
        'lower face covered': _covered,
        '15 % of the light': lambda picture: _dark(picture, rng),
        '16 pixels': _small,
    }
    lines = []
    for name, change in changes.items():
        pictures = np.stack([change(picture) for picture in faces.pictures])
        plain = runtime(central_crops(pictures, runtime.description.crop_scale))
        matrices = rotations.matrix_from_yaw_pitch_roll_deg(plain)
        lines.append(f'  {name:19} {_row(plain, matrices, faces.rotations)}')
    return lines


def _turned(runtime: OnnxRuntime, faces: LabelledFaces) -> list[str]:
    lines = []
    for turn in TURNS_DEG:
        # Half of them to the left.
        signed = np.where(np.arange(len(faces)) % 2, turn, -turn)
        pairs = zip(faces.pictures, signed, strict=True)
        nowhere, edge = np.zeros(2), cv2.BORDER_REPLICATE
        pictures = np.stack(
            [seen_from(p, p.shape[0], False, float(s), 1.0, nowhere, edge) for p, s in pairs]
        )
        truth = np.stack(
            [turn_in_plane(r, float(s)) for r, s in zip(faces.rotations, signed, strict=True)]
        )
        crops = central_crops(pictures, runtime.description.crop_scale)
        angles, expected = runtime.with_expected_error(crops)
        apart = rotations.geodesic_deg(rotations.matrix_from_yaw_pitch_roll_deg(angles), truth)
        line = f'  turned by {turn:3}       {apart.mean():6.2f} (median {np.median(apart):.2f})'
        if expected is not None:
            unsure = 100 * (expected > UNSURE_DEG).mean()
            line += f'; {unsure:.0f} % expect more than {UNSURE_DEG:.0f}'
        lines.append(line)
    return lines


def _rendered(runtime: OnnxRuntime, heads: LabelledFaces, covered: NDArray[np.bool_]) -> list[str]:
    crops = central_crops(heads.pictures, runtime.description.crop_scale)
    answers = single_pass(runtime, crops).rotations
    lines = []
    for name, chosen in (('uncovered', ~covered), ('covered', covered)):
        if chosen.sum() < 2:
            continue
        azimuth, elevation = slopes(answers[chosen], heads.rotations[chosen])
        apart = rotations.geodesic_deg(answers[chosen], heads.rotations[chosen])
        lines.append(
            f'  rendered, {name:9} {apart.mean():6.2f} (median {np.median(apart):.2f}); slope of '
            f'azimuth {azimuth:.3f}, of elevation {elevation:.3f}; {chosen.sum()} heads'
        )
    return lines


def _unsure(runtime: OnnxRuntime, faces: LabelledFaces, photos: Path | None) -> list[str]:
    others = odd_pictures(faces)
    if photos is not None:
        others['patches of photos'] = patches_of_photos(photos)
    known = known_as_unsure(runtime, faces, others)
    return [
        f'  rank correlation of expected and real error {known.rank_correlation:.3f}; 1 % of the '
        f'faces are expected to be off by more than {known.limit_deg:.1f}, and of others',
        *(
            f'    {name:17} {100 * share:5.1f} % (median {median:.1f}; {count} pictures); '
            f'{100 * turned:.1f} % are taken for faces on their heads'
            for name, (count, median, share, turned) in known.rows.items()
        ),
    ]


def _row(angles: FloatArray, answers: FloatArray, truth: FloatArray) -> str:
    apart = rotations.geodesic_deg(answers, truth)
    absolute = np.abs(angles - smallest_angles_deg(truth)).mean()
    return f'{apart.mean():6.2f} (median {np.median(apart):.2f}), {absolute:.2f}'


def _covered(picture: Pictures) -> Pictures:
    side = picture.shape[0]
    half = side / np.sqrt(8.0)  # of the landmarks' box
    changed = picture.copy()
    left, right = round(side / 2 - half), round(side / 2 + half)
    changed[round(side / 2 + 0.1 * half) : right, left:right] = _MASK
    return changed


def _dark(picture: Pictures, rng: np.random.Generator) -> Pictures:
    noise = np.float32(_NOISE) * rng.standard_normal(picture.shape, np.float32)
    return np.clip(_LIGHT * picture.astype(np.float32) + noise, 0, 255).astype(np.uint8)


def _small(picture: Pictures) -> Pictures:
    small = cv2.resize(picture, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA)
    size = picture.shape[1], picture.shape[0]
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='held_out', description=__doc__)
    parser.add_argument('--root', type=Path, required=True, help='faces_120.zip and labels.npz')
    parser.add_argument('--labels', type=Path, metavar='FILE.npz', help='of ./run labels')
    parser.add_argument('--rendered', type=Path, metavar='DIR', help='of ./run render')
    parser.add_argument(
        '--photos', type=Path, metavar='FILE.zip', help='JPEG files of scenes without people'
    )
    parser.add_argument('--recipe', default='finer_1x1', help='which training kept them aside')
    parser.add_argument('--weights', action='append', required=True, help='a name or a file')
    return parser


if __name__ == '__main__':
    sys.exit(main())

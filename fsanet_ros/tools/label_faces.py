"""
Label the AFLW faces by several teachers, or find out what each teacher always gets wrong.

The labels go into one .npz file: name, rotations, spread_deg (of the views of a teacher) and
sigma_deg (how far a label is expected to be off). ``./run train`` makes the same by itself and
keeps them in the same form in its output's folder.

--calibrate fits each teacher's systematic errors on rendered heads of exactly known pose that wear
nothing (./run render --bare) and writes them into the package. The printed figures are of people
left out of the fit, a fifth in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fsanet_ros.files.downloads import sha256_of
from fsanet_ros.files.output_checks import check_file
from fsanet_ros.geometry import rotations
from fsanet_ros.research.datasets.faces import LabelledFaces, load_aflw_faces, load_rendered_faces
from fsanet_ros.research.training.label_calibration import (
    FloatArray,
    fit_calibration,
    fit_sigma,
    seen_by_head_deg,
    slopes,
)
from fsanet_ros.research.training.teacher import Labels, load_teacher
from fsanet_ros.research.training.teachers import (
    CALIBRATIONS,
    TOGETHER,
    entry_of,
    fit_label_variances,
    joined,
    load_teachers,
    read_calibrations,
    write_calibrations,
)
from fsanet_ros.research.training.training_data import labels_key, write_labels
from fsanet_ros.tools.command_line import command_parser, fail

FOLDS, SEED = 5, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when a file is missing or wrong."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.output:
            check_file(arguments.output)
        if arguments.calibrate:
            heads = load_rendered_faces(arguments.calibrate)
            answers = [_calibrate(path, heads) for path in arguments.teacher]
            _judge(arguments.teacher, answers, heads)
        if arguments.output:
            _label(arguments.root, arguments.teacher, arguments.output)
    except (OSError, ValueError, ImportError) as error:
        return fail('labels', error)
    return 0


def _calibrate(path: Path, faces: LabelledFaces) -> Labels:
    """Write what is wrong with a teacher, print it, and return its raw answers."""
    labels = load_teacher(path).label(faces.pictures)
    people = faces.names if faces.groups is None else faces.groups
    corrected = np.empty_like(labels.rotations)
    order = np.random.default_rng(SEED).permutation(np.unique(people))
    for fold in range(FOLDS):
        aside = np.isin(people, order[fold::FOLDS])
        first = fit_calibration(labels.rotations[~aside], faces.rotations[~aside])
        corrected[aside] = first.corrected(labels.rotations[aside])
    print(f'{path.name}: {len(faces)} heads of {len(order)} people, none fitted on in its own turn')
    print(f'  as it says: {_said(labels.rotations, faces.rotations)}')
    print(f'  corrected:  {_said(corrected, faces.rotations)}')
    calibration = fit_calibration(labels.rotations, faces.rotations)
    left = rotations.geodesic_deg(calibration.corrected(labels.rotations), faces.rotations)
    known = read_calibrations()
    known[sha256_of(path)] = entry_of(path.stem, calibration, fit_sigma(labels.spread_deg, left))
    write_calibrations(known)
    return labels


def _judge(teachers: Sequence[Path], answers: Sequence[Labels], faces: LabelledFaces) -> None:
    """Write how far the labels of all teachers are off."""
    labels = joined(answers, load_teachers(teachers).members).rotations
    variances = fit_label_variances(labels, faces.rotations)
    write_calibrations({**read_calibrations(), TOGETHER: {'variances': variances}})
    print(f'together:     {_said(labels, faces.rotations)}\nwritten to {CALIBRATIONS}')


def _said(answers: FloatArray, truth: FloatArray) -> str:
    azimuth, elevation = slopes(answers, truth)
    apart = rotations.geodesic_deg(answers, truth)
    added = np.median(seen_by_head_deg(answers) - seen_by_head_deg(truth), axis=0)
    return (
        f'slope of azimuth {azimuth:.3f}, of elevation {elevation:.3f}; elevation {added[1]:+.1f} '
        f'degrees; off by {apart.mean():.2f} (median {np.median(apart):.2f})'
    )


def _label(root: Path, teachers: Sequence[Path], output: Path) -> None:
    faces = load_aflw_faces(root)
    labels = load_teachers(teachers).label(faces.pictures)
    write_labels(output, faces.names, labels_key('teachers', teachers), labels)
    assert labels.sigma_deg is not None
    old, new = (seen_by_head_deg(r) for r in (faces.rotations, labels.rotations))
    apart = rotations.geodesic_deg(faces.rotations, labels.rotations)
    print(f'{output}: {len(faces)} faces, {apart.mean():.2f} degrees from the labels of the file')
    for name, before, after in zip(('azimuth', 'elevation', 'turn'), old.T, new.T, strict=True):
        percent = (5, 25, 50, 75, 95)
        rows = (' '.join(f'{v:6.1f}' for v in np.percentile(a, percent)) for a in (before, after))
        print(f'  {name:9} {" | ".join(rows)}  (of the file | now; 5, 25, 50, 75, 95 %)')
    sigmas = ' '.join(f'{v:.1f}' for v in np.percentile(labels.sigma_deg, (5, 50, 95)))
    print(f'  expected to be off by {sigmas} degrees (5, 50, 95 %)')


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('labels', __doc__)
    parser.add_argument(
        '--teacher', type=Path, action='append', required=True, metavar='FILE', help='ONNX'
    )
    parser.add_argument('--root', type=Path, default=Path('../shared/data/aflw_faces'))
    parser.add_argument('-o', '--output', type=Path, metavar='FILE.npz', help='write labels')
    parser.add_argument('--calibrate', type=Path, metavar='DIR', help='of rendered heads')
    return parser


if __name__ == '__main__':
    sys.exit(main())

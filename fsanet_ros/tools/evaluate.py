"""Accuracy of weights on validation data."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from fsanet_ros.detection import DETECTOR_NAMES
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.fsanet.passes import mirrored_pass, single_pass
from fsanet_ros.fsanet.runtime import make_runtime
from fsanet_ros.fsanet.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.learning.evaluation import (
    estimate_faces,
    score_clip,
    score_faces,
    score_pointing04,
)
from fsanet_ros.learning.faces import load_aflw_faces, split
from fsanet_ros.learning.recipe import load_recipe


def main(argv: list[str] | None = None) -> int:
    """Evaluate from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog='evaluate', description=__doc__)
    parser.add_argument(
        'data',
        choices=tuple(_EVALUATIONS),
        help="clip: the demo's rendered heads; aflw: the faces kept aside from training; "
        "pointing04: people's nominal pan and tilt",
    )
    parser.add_argument('--root', type=Path, help='the folder of the data, but for clip')
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--detector-model', default='', help="the detector's model file")
    parser.add_argument('--recipe', default='aflw', help='says which faces were kept aside')
    parser.add_argument('--json', type=Path, help='write the figures to a file')
    arguments = parser.parse_args(argv)
    if arguments.root is None and arguments.data != 'clip':
        parser.error(f'{arguments.data} needs --root, the folder of the data')
    try:
        results = _EVALUATIONS[arguments.data](arguments)
    except (ValueError, OSError, ImportError) as error:
        print(f'evaluate: {error}', file=sys.stderr)
        return 1
    for name, scores in results.items():
        print(f'{name}: {scores}')
    if arguments.json:
        figures = {name: dataclasses.asdict(scores) for name, scores in results.items()}
        arguments.json.write_text(json.dumps(figures, indent=2) + '\n', encoding='utf-8')
    return 0


def _evaluate_aflw(arguments: argparse.Namespace) -> dict[str, Any]:
    recipe = load_recipe(arguments.recipe)
    faces = split(load_aflw_faces(arguments.root), recipe.validation_share, recipe.seed)[1]
    runtime = make_runtime(arguments.weights)
    return {
        name: score_faces(faces, estimate_faces(faces, runtime, one_pass))
        for name, one_pass in (('single pass', single_pass), ('with mirror', mirrored_pass))
    }


def _evaluate_pointing04(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        name: score_pointing04(arguments.root, estimator)
        for name, estimator in _estimators(arguments).items()
    }


def _evaluate_clip(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: score_clip(estimator) for name, estimator in _estimators(arguments).items()}


def _estimators(arguments: argparse.Namespace) -> dict[str, HeadPoseEstimator]:
    return {
        name: HeadPoseEstimator(
            arguments.detector,
            arguments.weights,
            mirror=mirror,
            detector_model=arguments.detector_model,
        )
        for name, mirror in (('single pass', False), ('with mirror', True))
    }


_EVALUATIONS = {
    'clip': _evaluate_clip,
    'aflw': _evaluate_aflw,
    'pointing04': _evaluate_pointing04,
}


if __name__ == '__main__':
    raise SystemExit(main())

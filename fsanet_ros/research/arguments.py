"""Command-line arguments that several tools share."""

from __future__ import annotations

import argparse
import re

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, FaceDetector
from fsanet_ros.research.detectors import ALL_DETECTOR_NAMES, make_any_detector


def positive(text: str) -> int:
    """
    Return a whole number above 0; a type for argparse.

    :raises argparse.ArgumentTypeError: if it is none
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text} is not above 0: expected a whole number')
    return int(text)


def weights_name(text: str) -> str:
    """
    Return a name for weights, which their files get; a type for argparse.

    :raises argparse.ArgumentTypeError: if it would name another folder, or a hidden file
    """
    if not re.fullmatch(r'\w[\w.+-]*', text):
        raise argparse.ArgumentTypeError(
            f'{text!r} names no file: expected letters, digits, "_", "-" or ".", such as my_fsanet'
        )
    return text


def add_detector(parser: argparse._ActionsContainer) -> None:
    """Let the user choose the face detector, its file and how large images are for it."""
    parser.add_argument('--detector', choices=ALL_DETECTOR_NAMES, default='auto')
    parser.add_argument('--detector-model', default='', help="the detector's file, if it needs one")
    parser.add_argument('--detection-size', type=int, default=DEFAULT_DETECTION_SIZE)


def detector_of(arguments: argparse.Namespace) -> FaceDetector:
    """Make the detector that the user has chosen; raises what make_any_detector does."""
    return make_any_detector(
        arguments.detector,
        detection_size=arguments.detection_size,
        model_path=arguments.detector_model,
    )

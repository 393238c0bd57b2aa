"""
Training data from public sources and from your own videos, in the form that the recipes read.

"data head-model" packs ICT-FaceKit for ./run render, "data aflw" packs AFLW, "data own" makes a
set of what estimate has found in your pictures and videos. 300W-LP, BIWI and Pointing'04 are read
as they are published. Where to get each: docs/datasets.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fsanet_ros.files.output_checks import check_file, check_folder
from fsanet_ros.research.arguments import positive
from fsanet_ros.tools.command_line import command_parser, fail, note

if TYPE_CHECKING:
    from fsanet_ros.research.datasets.aflw_files import Label


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in PARTS:
        try:
            return PARTS[words[0]](words[1:])
        except (ValueError, OSError, ImportError) as error:
            return fail(f'data {words[0]}', error)
    parser = command_parser('data', __doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kind', choices=tuple(PARTS), help='each takes --help')
    parser.parse_args(words)
    return 0


def _head_model(words: Sequence[str]) -> int:
    parser = command_parser('data head-model', 'Pack ICT-FaceKit, from which ./run render renders.')
    parser.add_argument(
        '--root', type=Path, required=True, metavar='DIR', help='a clone of ICT-VGL/ICT-FaceKit'
    )
    parser.add_argument(
        '-o',
        '--output',
        type=Path,
        default=Path('ict_face_model_light.npz'),
        metavar='FILE.npz',
        help='(default: %(default)s)',
    )
    arguments = parser.parse_args(words)
    check_file(arguments.output)
    from fsanet_ros.research.datasets.head_model_files import pack_head_model

    identities, expressions = pack_head_model(arguments.root, arguments.output)
    note(arguments, f'{arguments.output}: {identities} identities, {expressions} expressions')
    return 0


def _aflw(words: Sequence[str]) -> int:
    parser = command_parser(
        'data aflw', 'Cut the face squares of AFLW and label them: faces_120.zip and labels.npz.'
    )
    parser.add_argument(
        '--root', type=Path, required=True, metavar='DIR', help='the folder with aflw.sqlite'
    )
    parser.add_argument(
        '--pictures', type=Path, metavar='DIR', help="AFLW's pictures (default: below --root)"
    )
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='DIR', help='folder')
    parser.add_argument(
        '--teacher',
        default='fsanet_fusion',
        metavar='FILE',
        help='that labels the faces: ONNX, or the name of weights (default: %(default)s)',
    )
    arguments = parser.parse_args(words)
    check_folder(arguments.output)
    from fsanet_ros.research.datasets.aflw_files import pack_aflw

    count, unread = pack_aflw(
        arguments.root,
        arguments.pictures or arguments.root,
        arguments.output,
        _labels_of(arguments.teacher),
    )
    note(arguments, f'{arguments.output}: {count} faces')
    for problem in unread[:20]:
        note(arguments, f'  unreadable: {problem}')
    if len(unread) > 20:
        note(arguments, f'  ... and {len(unread) - 20} more unreadable')
    return 3 if unread else 0


def _labels_of(teacher: str) -> Label:
    from fsanet_ros.inference.weight_files import find_weights
    from fsanet_ros.research.training.teacher import load_teacher

    loaded = load_teacher(find_weights(teacher, '.onnx'))

    def label(pictures):  # type: ignore[no-untyped-def]
        labels = loaded.label(pictures)
        return labels.rotations, labels.spread_deg

    return label


def _own(words: Sequence[str]) -> int:
    parser = command_parser(
        'data own',
        'Cut the faces that estimate has found in your pictures and videos, with their poses as '
        'labels: pictures/ and labels.csv, which you can correct by hand.',
    )
    parser.add_argument(
        'table', type=Path, metavar='HEADS.csv', help='of estimate, without --calibration'
    )
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='DIR', help='folder')
    parser.add_argument(
        '--every',
        type=positive,
        default=10,
        metavar='N',
        help='take every Nth frame of a video (default: %(default)s)',
    )
    parser.add_argument(
        '--max-error',
        type=float,
        default=8.0,
        metavar='DEGREES',
        help='leave out poses that are expected to be further off (default: %(default)s)',
    )
    arguments = parser.parse_args(words)
    check_folder(arguments.output)
    from fsanet_ros.tools.own_faces import Choice, write_own_faces

    choice = Choice(every=arguments.every, max_error_deg=arguments.max_error)
    faces, people = write_own_faces(arguments.table, arguments.output, choice)
    note(
        arguments,
        f'{arguments.output}: {faces} faces of {people} people. Train on them: train --recipe own '
        f'--root {arguments.output} --start fsanet_1x1',
    )
    return 0


PARTS: dict[str, Callable[[Sequence[str]], int]] = {
    'head-model': _head_model,
    'aflw': _aflw,
    'own': _own,
}


if __name__ == '__main__':
    raise SystemExit(main())

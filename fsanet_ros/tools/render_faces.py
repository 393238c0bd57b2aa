"""
Render face squares of exactly known pose, to train on.

The data set has the form of the AFLW faces (faces_120.zip and labels.npz), so the same recipes
read it. A run that was stopped goes on where it was; the same seed gives the same pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from tqdm import tqdm

from fsanet_ros.batch.estimation_job import begin_worker
from fsanet_ros.batch.workers import end_processes, processes, submit
from fsanet_ros.files.output_checks import check_folder
from fsanet_ros.research.arguments import positive
from fsanet_ros.research.rendering import HeadModel
from fsanet_ros.research.rendering.rendered_face_files import (
    FACES_PER_PART,
    assemble,
    check_seed,
    part_count,
    part_path,
    write_part,
)
from fsanet_ros.tools.command_line import command_parser, fail, note


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when the head model is missing or the folder is wrong."""
    arguments = _parser().parse_args(argv)
    folder: Path = arguments.output
    try:
        check_folder(folder)
        check_seed(folder, arguments.seed)
        missing = [
            part
            for part in range(part_count(arguments.count))
            if not part_path(folder, part).is_file()
        ]
        bar = tqdm(
            total=len(missing) * FACES_PER_PART,
            unit='face',
            desc='rendering',
            disable=arguments.quiet or None,
        )
        for _ in _rendered(missing, arguments):
            bar.update(FACES_PER_PART)
        bar.close()
        count = assemble(folder, arguments.count)
    except (OSError, ValueError) as error:
        return fail('render', error)
    note(arguments, f'{folder} holds {count} faces')
    return 0


def _rendered(parts: list[int], arguments: argparse.Namespace) -> Iterator[int]:
    """Render parts and yield each when it is written."""
    if arguments.processes == 1:
        model = HeadModel.load(arguments.model)
        for part in parts:
            write_part(model, arguments.output, part, arguments.seed, bare=arguments.bare)
            yield part
        return
    pool = processes(arguments.processes, _start, arguments.model)
    try:
        folder, seed, bare = arguments.output, arguments.seed, arguments.bare
        jobs = {submit(pool, _write_part, folder, part, seed, bare): part for part in parts}
        for job in as_completed(jobs):
            job.result()
            yield jobs[job]
    finally:
        end_processes(pool)


# The head model of a process: it takes a second to read.
_model: HeadModel | None = None


def _start(path: Path | None) -> None:
    global _model
    begin_worker()
    _model = HeadModel.load(path)


def _write_part(folder: Path, part: int, seed: int, bare: bool) -> None:
    assert _model is not None
    write_part(_model, folder, part, seed, bare=bare)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('render', __doc__)
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='DIR', help='folder')
    parser.add_argument(
        '--count',
        type=positive,
        default=2000,
        metavar='N',
        help=f'faces, rounded up to hundreds ({FACES_PER_PART} of 5 people; default 2000)',
    )
    parser.add_argument(
        '--seed', type=_seed, default=0, help='other people, in another folder (default 0)'
    )
    parser.add_argument(
        '--bare',
        action='store_true',
        help='nothing is worn, nobody is nearer than a metre or turned away: to calibrate teachers',
    )
    parser.add_argument('--processes', type=positive, default=1, help='at a time (default 1)')
    parser.add_argument(
        '--model', type=Path, help='the head model, ict_face_model_light.npz (ICT-FaceKit)'
    )
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 up')
    return int(text)


if __name__ == '__main__':
    raise SystemExit(main())

"""What the commands of ``./run bench`` share: arguments, and what becomes of the figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fsanet_ros.benchmarks.bench_report import write_json, write_page
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.files.output_checks import check_file, check_folder


def add_outputs(parser: argparse._ActionsContainer) -> None:
    """Let the user choose where the figures go, beside the terminal."""
    parser.add_argument(
        '--json', type=_output_file, metavar='FILE', help='write the figures to a file'
    )
    parser.add_argument(
        '--report',
        type=_output_folder,
        metavar='DIR',
        help='write a page and plots (matplotlib) to a folder',
    )


def _output_file(text: str) -> Path:
    return _checked(text, check_file)


def _output_folder(text: str) -> Path:
    return _checked(text, check_folder)


def _checked(text: str, check: Callable[[Path], None]) -> Path:
    try:
        check(Path(text))
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(text)


def add_cases(parser: argparse._ActionsContainer) -> None:
    """Let the user choose cases by a part of their names."""
    parser.add_argument(
        '--cases',
        nargs='+',
        default=[],
        metavar='TEXT',
        help='only those with one of these in the name, such as "640x480 raw" or "16 faces"',
    )


def positive_number(text: str) -> float:
    """
    Return a number above 0; a type for argparse.

    :raises argparse.ArgumentTypeError: if it is none
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return number


def save(arguments: argparse.Namespace, machine: Machine, figures: Mapping[str, Any]) -> None:
    """Write the JSON file, if it is asked for."""
    if arguments.json:
        write_json(arguments.json, {'machine': machine.report(), **figures})


def save_report(
    arguments: argparse.Namespace,
    machine: Machine,
    name: str,
    parts: Iterable[str],
    plot: Callable[[Path], None] | None = None,
) -> None:
    """
    Write NAME.md, and with a plot NAME.png, to the folder of reports, if that is asked for.

    Where matplotlib is missing, it is said and the page is written without the plot.
    """
    if not arguments.report:
        return
    arguments.report.mkdir(parents=True, exist_ok=True)
    parts = list(parts)
    if plot is not None:
        try:
            plot(arguments.report / f'{name}.png')
            parts.insert(0, f'![{name}]({name}.png)\n')
        except ImportError as error:
            print(f'bench: no plot: {error}', file=sys.stderr)
    write_page(arguments.report / f'{name}.md', f'bench {name}', machine.summary(), parts)
    print(f'written: {arguments.report / name}.md')

"""
List and fetch the models that others published (``./run models``).

They are not part of this package: the command fetches a file from where it was published and
refuses it unless its SHA-256 is right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fsanet_ros import downloads


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when a model could not be had."""
    arguments = _parser().parse_args(argv)
    folder = arguments.folder or downloads.cache_folder()
    if not arguments.names:
        _list(folder)
        return 0
    failed = False
    for name in _with_needed(arguments.names):
        try:
            path = downloads.fetch(
                name, folder=folder, source=arguments.source, progress=_progress(name)
            )
        except (ValueError, OSError) as error:
            print(f'error: {error}', file=sys.stderr)
            failed = True
        else:
            print(f'{name}: {path}')
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='models', description='List the published models, or fetch those that are named.'
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        type=_known_name,
        help=f'models to fetch: {", ".join(downloads.PUBLISHED)}; none lists them',
    )
    parser.add_argument(
        '--from',
        dest='source',
        type=Path,
        metavar='DIR',
        help='take the files from this folder instead of the internet',
    )
    parser.add_argument(
        '--to',
        dest='folder',
        type=Path,
        metavar='DIR',
        help=f'put them there instead of {downloads.cache_folder()}',
    )
    return parser


def _known_name(text: str) -> str:
    # Not argparse's choices: with nargs='*' those refuse the empty list on Python 3.10.
    if text not in downloads.PUBLISHED:
        known = ', '.join(downloads.PUBLISHED)
        raise argparse.ArgumentTypeError(f'unknown model {text!r}: choose from {known}')
    return text


def _with_needed(names: Sequence[str]) -> list[str]:
    """Return each name followed by those of the files that it needs, none twice."""
    every = [n for name in names for n in (name, *downloads.PUBLISHED[name].needs)]
    return list(dict.fromkeys(every))


def _list(folder: Path) -> None:
    for file in downloads.PUBLISHED.values():
        path = folder / file.file_name
        if not path.is_file():
            state = f'not here; fetch it with "./run models {file.name}"'
        elif downloads.sha256_of(path) != file.sha256:
            state = f'damaged: {path}; fetch it again with "./run models {file.name}"'
        else:
            state = f'here: {path}'
        print(f'{file.name}: {file.description}')
        print(f'    {file.size / 1e6:.1f} MB, {file.licence}, {file.url}')
        print(f'    {state}')


def _progress(name: str) -> downloads.Progress | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        end = '\n' if done >= total else ''
        print(f'\r{name}: {min(100, 100 * done // total)} %', end=end, file=sys.stderr, flush=True)

    return show


if __name__ == '__main__':
    sys.exit(main())

"""
List, fetch, convert and fuse models (``./run models``).

What others published is not part of this package: the command fetches a file from where it was
published, refuses it unless its SHA-256 is right, and converts networks into this package's files
in the user's cache, where every other command finds them by name. "models import FILE.h5" converts
a file at hand, "models fuse A B" makes one network of several.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from fsanet_ros.files import downloads
from fsanet_ros.inference.weight_files import cached_weights_folder
from fsanet_ros.network import zoo
from fsanet_ros.research.arguments import weights_name
from fsanet_ros.tools.command_line import command_parser, fail, note

if TYPE_CHECKING:
    from fsanet_ros.network.published_weights import Imported


# Together 80 columns.
_ROW, _FIGURE_WIDTH = '{:34}{:>4}  {:8}{}', 32


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when a model could not be had."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ['import']:
            return _import(_import_parser().parse_args(words[1:]))
        if words[:1] == ['fuse']:
            return _fuse(_fuse_parser().parse_args(words[1:]))
    except (ValueError, OSError, ImportError) as error:
        return _fail(error)
    arguments = _parser().parse_args(words)
    names = _fetchable() if arguments.all else arguments.names
    if not names:
        _list(arguments)
        return 0
    failures = 0
    for name in _with_needed(names):
        try:
            _fetch(name, arguments.source, arguments.folder)
        except (ValueError, OSError, ImportError) as error:
            failures += _fail(error)
    return min(failures, 1)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        'models',
        'List the models that have a name, or fetch those that are named.',
        epilog='"models import FILE.h5" converts a file of the official FSA-Net, '
        '"models fuse A B --name C" makes one network of several; both take --help.',
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        type=_known_name,
        help='models to fetch, and networks to convert; none lists all of them',
    )
    parser.add_argument('--all', action='store_true', help='fetch everything')
    parser.add_argument(
        '--details',
        action='store_true',
        help='list licences, addresses, accuracy, SHA-256 and paths too',
    )
    parser.add_argument(
        '--from',
        dest='source',
        type=Path,
        metavar='DIR',
        help='take the files from this folder, or folders in it, instead of the internet',
    )
    parser.add_argument(
        '--to',
        dest='folder',
        type=Path,
        metavar='DIR',
        help=f'put them there instead of {downloads.cache_folder()}',
    )
    return parser


def _import_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        'models import',
        'Convert Keras weights of the official FSA-Net to .onnx and .safetensors.',
    )
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE.h5')
    parser.add_argument(
        '--name', type=weights_name, help='of the weights (default: as in the zoo, or the file)'
    )
    _add_output(parser)
    return parser


def _fuse_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        'models fuse', 'Make one network of several that look at the same crop.'
    )
    parser.add_argument(
        'weights', nargs='+', metavar='WEIGHTS', help='names, or files ending in .safetensors'
    )
    parser.add_argument('--name', required=True, type=weights_name, help='of the fusion')
    parser.add_argument(
        '--mean',
        choices=('rotations', 'angles', 'weights'),
        default='rotations',
        help='what is averaged; "angles" is the paper\'s, "weights" makes one network of several '
        'of one kind, of which one was trained from the other (default: %(default)s)',
    )
    _add_output(parser)
    return parser


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--output',
        type=Path,
        metavar='DIR',
        help=f'where to (default: {cached_weights_folder()}, where they are found by name)',
    )


def _import(arguments: argparse.Namespace) -> int:
    if arguments.name and len(arguments.files) > 1:
        raise ValueError(f'--name names one file, {len(arguments.files)} were given')
    from fsanet_ros.network.published_weights import import_keras

    failures = 0
    for path in arguments.files:
        try:
            _report(import_keras(path, arguments.name or '', arguments.output))
        except (ValueError, OSError) as error:
            failures += _fail(error)
    return min(failures, 1)


def _fuse(arguments: argparse.Namespace) -> int:
    from fsanet_ros.network.published_weights import fuse

    _report(fuse(arguments.weights, arguments.name, arguments.output, arguments.mean))
    return 0


def _fetch(name: str, source: Path | None, folder: Path | None) -> None:
    # From where networks need PyTorch, detectors need nothing.
    if name not in downloads.names('network'):
        with _Bar(name) as bar:
            path = downloads.fetch(name, folder=folder, source=source, progress=bar.show)
        print(f'{name}: {path}')
        return
    from fsanet_ros.network.published_weights import fetch_network

    with _Bar(name) as bar:
        imported = fetch_network(name, source, folder, bar.show)
    if imported is None:
        print(f'{name}: {_state(zoo.models()[name], None)}')
    else:
        _report(imported)


def _report(imported: Imported) -> None:
    kinds = ' + '.join(str(network) for network in imported.networks)
    print(f'{imported.name}: {kinds}, the same in onnxruntime to {imported.difference_deg:.0e}°')
    for path in imported.paths:
        print(f'    {path}')
    if not imported.finite:
        print(
            f'warning: {imported.name}: its weights are not numbers (NaN), as published: it gives '
            'no angles',
            file=sys.stderr,
        )


def _fail(error: Exception) -> int:
    needs = ''
    if isinstance(error, ImportError):
        needs = (
            ': converting networks needs requirements/train.txt (PyTorch, h5py, onnx, safetensors)'
        )
    return fail('models', f'{error}{needs}')


def _fetchable() -> list[str]:
    return downloads.names('detector') + downloads.names('network')


def _with_needed(names: Sequence[str]) -> list[str]:
    """Return each name followed by those of the files that it needs, none twice."""
    files = downloads.PUBLISHED
    every = [n for name in names for n in (name, *(files[name].needs if name in files else ()))]
    return list(dict.fromkeys(every))


def _known_name(text: str) -> str:
    # Not argparse's choices: with nargs='*' those refuse the empty list on Python 3.10.
    if text not in _fetchable():
        known = ', '.join(_fetchable())
        raise argparse.ArgumentTypeError(f'unknown model {text!r}: choose from {known}')
    return text


def _list(arguments: argparse.Namespace) -> None:
    models = zoo.models().values()
    if arguments.details:
        for model in models:
            _print_entry(model, arguments.folder)
        return
    print(_ROW.format('model', 'MB', '', 'mean absolute error'))
    for model in models:
        place = _place(model, arguments.folder)
        print(_ROW.format(model.name, _megabytes(model), place, _summary(model)).rstrip())
    note(arguments, '"models NAME" fetches one, "models --details" says all that is known.')


def _place(model: zoo.Model, folder: Path | None) -> str:
    try:
        zoo.paths_of(model, folder)
    except FileNotFoundError:
        return ''
    except ValueError:
        return 'damaged'
    return 'here'


def _summary(model: zoo.Model) -> str:
    """Return what is known of a model in half a line."""
    figures = {**model.published, **model.measured}
    if not figures:
        known = 'not measured' if model.kind == 'network' else model.description
        known = model.note.partition(':')[0] or known
        return textwrap.shorten(known, _FIGURE_WIDTH, placeholder=' ...')
    data, error = next(iter(figures.items()))
    return f'{error:.2f}° on {data}'


def _megabytes(model: zoo.Model) -> str:
    size = _size(model).partition(' ')[0]
    if not size:
        size = f'{sum(path.stat().st_size for path in zoo.paths_of(model)[:1]) / 1e6:.1f}'
    return size


def _print_entry(model: zoo.Model, folder: Path | None) -> None:
    print(f'{model.name}: {model.description}')
    print(f'    {model.kind}, {_size(model)}{model.licence}, {model.source}')
    for word, figures in (('published', model.published), ('measured', model.measured)):
        if figures:
            print(f'    {word}: mean absolute error {_figures(figures)}')
    if model.note:
        print(f'    note: {model.note}')
    print(f'    {_state(model, folder)}')


def _size(model: zoo.Model) -> str:
    sizes = [downloads.PUBLISHED[member].size for member in model.members]
    if model.file:
        sizes = [model.file.size]
    return f'{sum(sizes) / 1e6:.1f} MB, ' if sizes else ''


def _figures(errors_deg: Mapping[str, float]) -> str:
    return ', '.join(f'{error:.2f}° on {data}' for data, error in errors_deg.items())


def _state(model: zoo.Model, folder: Path | None) -> str:
    hashed = f'SHA-256 {model.file.sha256}; ' if model.file else ''
    try:
        paths = zoo.paths_of(model, folder)
        hashed = hashed or f'SHA-256 {downloads.sha256_of(paths[0])}; '
        return f'{hashed}here: {", ".join(str(path) for path in paths)}'
    except FileNotFoundError:
        return f'{hashed}not here; fetch it with "./run models {model.name}"'
    except ValueError as error:
        return f'{hashed}damaged: {error}; fetch it again with "./run models {model.name}"'


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, name: str) -> None:
        self._bar = tqdm(desc=name, unit='B', unit_scale=True, disable=None, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.n = done
        self._bar.refresh()


if __name__ == '__main__':
    sys.exit(main())

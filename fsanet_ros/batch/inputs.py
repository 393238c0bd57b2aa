"""Which files a run reads: pictures, folders, patterns, videos, bags, cameras, streams, lists."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fsanet_ros.files.texts import printable
from fsanet_ros.files.video import PICTURE_SUFFIXES

Kind = Literal['picture', 'video', 'bag', 'camera', 'stream']

VIDEO_SUFFIXES = frozenset(
    ('.avi', '.m4v', '.mjpeg', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.ts', '.webm')
)
BAG_SUFFIXES = frozenset(('.db3', '.mcap'))
LIVE: tuple[Kind, ...] = ('camera', 'stream')


@dataclass(frozen=True)
class Input:
    """
    One thing to read heads from.

    ``address``: a path, the address of a stream, or the index of a camera. ``name``: what tables
    and messages call it, without the password of a stream. ``place``: where its annotated copy
    goes below the output folder: the path below the folder that the user named.
    """

    kind: Kind
    address: str
    name: str
    place: str


@dataclass(frozen=True)
class PassedOver:
    """A file or argument that is not read, and why; ``missing``: what should have been."""

    name: str
    reason: str
    missing: bool = False


def find_inputs(
    arguments: Sequence[str], listed: Iterable[str] = ()
) -> tuple[list[Input], list[PassedOver]]:
    """
    Return what the arguments of a command name, in their order, and what is passed over.

    An argument is a file, a folder (read with all folders below it), a pattern (``'*.jpg'``,
    ``'**/*.mp4'``), the index of a camera, the address of a stream, or ``-``: then ``listed`` is
    read, one argument a line, or between NULs as ``find -print0`` writes them. A folder with a
    metadata.yaml is a bag.
    """
    inputs: dict[str, Input] = {}
    passed: list[PassedOver] = []
    for argument in _with_list(arguments, listed):
        for found in _resolved(argument):
            if isinstance(found, PassedOver):
                passed.append(found)
            elif found.address in inputs:
                passed.append(PassedOver(found.name, 'named twice'))
            else:
                inputs[found.address] = found
    return list(inputs.values()), passed


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts img2 before img10."""
    parts = re.findall(r'\d+|\D+', str(path))
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]


def kind_of(path: Path) -> Kind | None:
    """Return what a file or folder is by its name, None if it is nothing that can be read."""
    suffix = path.suffix.lower()
    if (path / 'metadata.yaml').is_file() or (suffix in BAG_SUFFIXES and path.is_file()):
        return 'bag'
    if suffix in PICTURE_SUFFIXES:
        return 'picture'
    return 'video' if suffix in VIDEO_SUFFIXES else None


def _with_list(arguments: Sequence[str], listed: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == '-':
            text = ''.join(listed)
            lines = text.split('\0') if '\0' in text else text.splitlines()
            yield from (line for line in lines if line.strip())
        else:
            yield argument


def _resolved(argument: str) -> Iterator[Input | PassedOver]:
    try:
        yield from _resolve(argument)
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, nobody's home
        reason = error.strerror if isinstance(error, OSError) else str(error)
        yield PassedOver(printable(argument[:200]), reason or str(error), missing=True)


def _resolve(argument: str) -> Iterator[Input | PassedOver]:
    if re.match(r'[a-z][a-z0-9+.-]*://', argument):
        name = re.sub(r'//[^/@]*@', '//', argument)
        yield Input('stream', argument, name, re.sub(r'\W+', '_', name))
        return
    path = Path(argument).expanduser()
    if path.is_dir() and kind_of(path) != 'bag':
        yield from _below(path)
    elif path.exists():
        yield _of_file(path, path.name, named=True)
    elif argument.isdecimal():
        yield Input('camera', argument, f'camera {argument}', f'camera_{argument}')
    elif glob.has_magic(argument):
        found = sorted(set(_matches(os.path.expanduser(argument))), key=_by_name)
        if not found:
            yield PassedOver(printable(argument), 'no file matches this pattern')
        for match in found:
            # A folder that a pattern finds is not walked: '**' finds what is in it too.
            if not os.path.isdir(match) or kind_of(Path(match)) == 'bag':
                yield _of_file(Path(match), match.lstrip('./'), named=False)
    else:
        yield PassedOver(printable(argument), 'does not exist', missing=True)


def _matches(pattern: str) -> Iterator[str]:
    """Yield what a pattern finds; '**' follows no links to folders, which could lead back up."""
    head, _, tail = pattern.partition('**')
    if '**' not in pattern or head[-1:] not in ('', '/') or tail[:1] not in ('', '/'):
        yield from glob.glob(pattern)
        return
    for base in glob.glob(head) if glob.has_magic(head) else [head]:
        for folder, below, _ in os.walk(base or '.'):
            below[:] = [name for name in below if not name.startswith('.')]
            here = folder if base else folder.removeprefix('.').lstrip('/')
            here = os.path.join(here, '') if here else ''
            yield from _matches(glob.escape(here) + (tail.lstrip('/') or '*'))


def _below(folder: Path) -> Iterator[Input | PassedOver]:
    found = False
    for path in _walk(folder):
        found = True
        if isinstance(path, PassedOver):
            yield path
        else:
            yield _of_file(path, str(path.relative_to(folder)), named=False)
    if not found:
        yield PassedOver(printable(str(folder)), 'an empty folder')


def _walk(folder: Path) -> Iterator[Path | PassedOver]:
    """Yield the files below a folder, hidden ones left out, bags as one, in natural order."""
    try:
        entries = sorted(folder.iterdir(), key=natural_order)
    except OSError as error:
        yield PassedOver(printable(str(folder)), error.strerror or str(error), missing=True)
        return
    for entry in entries:
        if entry.name.startswith('.'):
            continue
        if entry.is_dir() and kind_of(entry) != 'bag':
            if entry.is_symlink():  # it could lead back up
                yield PassedOver(printable(str(entry)), 'a link to a folder: name it to read it')
            else:
                yield from _walk(entry)
        else:
            yield entry


def _of_file(path: Path, place: str, named: bool) -> Input | PassedOver:
    kind = kind_of(path)
    name = printable(str(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        # Reading a pipe would wait for somebody who writes to it.
        return PassedOver(name, 'no file but a pipe, a socket or a device')
    if kind is None and named and path.is_file():
        kind = 'video'  # the user says so; whether it can be decoded, the reader will see
    if kind is None:
        return PassedOver(name, 'neither a picture, a video nor a bag by its name')
    return Input(kind, str(path), name, place)


def _by_name(name: str) -> list[tuple[int, str]]:
    return natural_order(Path(name))

"""
Files that others published and that are fetched at the user's command, never on their own.

A file is known by its SHA-256; what arrives with another one is refused. Files lie in the user's
cache folder, ``$XDG_CACHE_HOME/fsanet_ros`` or ``~/.cache/fsanet_ros``.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

TIMEOUT_S = 30.0
_CHUNK = 1 << 16

# Called with the bytes that arrived and the bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PublishedFile:
    """
    A file on the internet: where it is, what it is, and how to recognise it.

    ``needs``: the names of the files without which this one is of no use.
    """

    name: str
    file_name: str
    description: str
    licence: str
    url: str
    size: int
    sha256: str
    needs: tuple[str, ...] = ()


_LIBFACEDETECTION_TRAIN = (
    'https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/'
    '0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/'
)
_OPENCV_ZOO = (
    'https://media.githubusercontent.com/media/opencv/opencv_zoo/'
    '966be4cb6eefc2a4f586ed0581bf4bbaa2533070/models/face_detection_yunet/'
)


def _of_detectors() -> list[PublishedFile]:
    path = Path(__file__).parent / 'detection' / 'published.json'
    entries = json.loads(path.read_text(encoding='utf-8'))
    return [PublishedFile(**{**entry, 'needs': tuple(entry.get('needs', ()))}) for entry in entries]


PUBLISHED = {
    file.name: file
    for file in (
        PublishedFile(
            name='yunet',
            file_name='yunet_n_320_320.onnx',
            description='face detector YuNet n, five landmarks',
            licence='Apache-2.0',
            url=_LIBFACEDETECTION_TRAIN + 'yunet_n_320_320.onnx',
            size=317434,
            sha256='81dbde155e982455488235acb8ec2dec5d647edf7cf7080d33e4abb69b93a0d2',
        ),
        PublishedFile(
            name='yunet_s',
            file_name='face_detection_yunet_2023mar.onnx',
            description='face detector YuNet s, smaller and faster, five landmarks',
            licence='MIT',
            url=_OPENCV_ZOO + 'face_detection_yunet_2023mar.onnx',
            size=232589,
            sha256='8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4',
        ),
        *_of_detectors(),
    )
}


def advice(name: str) -> str:
    """Say how to get the published file called ``name``."""
    files = [PUBLISHED[name], *(PUBLISHED[needed] for needed in PUBLISHED[name].needs)]
    return (
        f'fetch it with "./run models {name}" (or "ros2 run fsanet_ros models {name}"); on a '
        f'machine without internet, copy {" and ".join(file.url for file in files)} to a folder '
        'and add "--from FOLDER"'
    )


def cache_folder() -> Path:
    """Return the folder that downloads go to; it need not exist."""
    # The XDG base directory specification says that a relative path there is to be ignored.
    base = os.environ.get('XDG_CACHE_HOME', '')
    root = Path(base) if os.path.isabs(base) else Path.home() / '.cache'
    return root / 'fsanet_ros'


def cached_file(name: str) -> Path:
    """Return where the published file called ``name`` lies once it is downloaded."""
    return cache_folder() / PUBLISHED[name].file_name


def check_known(path: Path) -> None:
    """
    Raise ValueError if ``path`` bears the name of a published file but is another one.

    Files with other names pass: they are the user's own.
    """
    for file in PUBLISHED.values():
        if file.file_name == path.name:
            found = sha256_of(path)
            if found != file.sha256:
                raise ValueError(_mismatch(path, file, found, path.stat().st_size))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(
    name: str,
    *,
    folder: Path | None = None,
    source: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """
    Bring the published file called ``name`` into ``folder`` and return its path.

    A file that is there and right is left alone. A new one takes its place in one step, so that
    no other program ever sees half of it.

    :param folder: where to; None is the cache folder.
    :param source: a folder that the file was copied to by hand; None downloads it.
    :param progress: called with the bytes that arrived and the bytes in all.
    :raises KeyError: no published file has this name.
    :raises ValueError: what arrived is not the published file.
    :raises OSError: it cannot be read (ConnectionError: downloaded), or not written.
    """
    file = PUBLISHED[name]
    folder = cache_folder() if folder is None else folder
    target = folder / file.file_name
    if target.is_file() and sha256_of(target) == file.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, part_name = tempfile.mkstemp(prefix=f'.{file.file_name}.', dir=folder)
    part = Path(part_name)
    try:
        with os.fdopen(descriptor, 'wb') as output:
            if source is None:
                origin = file.url
                _download(file, output, progress)
            else:
                origin = str(source / file.file_name)
                _copy_file(source / file.file_name, file, output, progress)
        found = sha256_of(part)
        if found != file.sha256:
            raise ValueError(_mismatch(origin, file, found, part.stat().st_size))
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _download(file: PublishedFile, output: BinaryIO, progress: Progress | None) -> None:
    try:
        with urllib.request.urlopen(file.url, timeout=TIMEOUT_S) as response:
            _copy(response, file, output, progress)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, 'reason', None) or error
        raise ConnectionError(
            f'{file.file_name} could not be downloaded from {file.url}: {reason}. Check the '
            'connection and any proxy (https_proxy) and try again; on a machine without internet, '
            f'copy that file to a folder and use "./run models {file.name} --from FOLDER"'
        ) from error


def _copy_file(
    path: Path, file: PublishedFile, output: BinaryIO, progress: Progress | None
) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist: expected the file {file.file_name} there, as published at '
            f'{file.url}'
        )
    with path.open('rb') as stream:
        _copy(stream, file, output, progress)


def _copy(
    stream: BinaryIO, file: PublishedFile, output: BinaryIO, progress: Progress | None
) -> None:
    done = 0
    # What is larger than the published file is wrong: stop, whatever may still come.
    while done <= file.size and (chunk := stream.read(_CHUNK)):
        output.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, file.size)


def _mismatch(origin: object, file: PublishedFile, found: str, size: int) -> str:
    cause = 'it was cut short' if size < file.size else 'it was changed or is another file'
    return (
        f'{origin} is not the published {file.file_name} ({cause}): found {size} bytes with '
        f'SHA-256 {found}, expected {file.size} bytes with {file.sha256}; nothing was kept of it. '
        f'Try again, and if it stays so, tell the maintainers of this package'
    )

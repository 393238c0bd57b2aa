"""
Heads as arrays: how they travel between processes and wait on disk, to the bit.

Files are NumPy's .npz; nothing in them is ever unpickled.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.types import Box, Face, Head, Square

# Columns of a head's row: where each part begins and its shape. NaN stands for what is not known.
_PARTS: dict[str, tuple[int, ...]] = {
    'box': (4,),
    'score': (),
    'square': (3,),
    'landmarks': (5, 2),
    'turn_deg': (),
    'rotation': (3, 3),
    'position_m': (3,),
    'rotation_covariance_rad2': (3, 3),
    'position_covariance_m2': (3, 3),
    'distance_from_depth': (),
}
_SIZES = {name: int(np.prod(shape, dtype=int)) for name, shape in _PARTS.items()}
_ENDS = dict(zip(_SIZES, np.cumsum(list(_SIZES.values())).tolist(), strict=True))
ROW_WIDTH = sum(_SIZES.values())
_ARRAYS = ('number', 'time_s', 'stamp_ns', 'recorded_ns', 'size', 'topic', 'count', 'rows')


@dataclass(frozen=True, eq=False)
class FrameHeads:
    """
    The heads of a run of frames of one input.

    ``number``: int64 [frames], counted from 0 in the whole input. ``time_s``: float64 [frames], a
    video's time since its begin, a bag's stamp; NaN for pictures. ``size``: int64 [frames, 2],
    width and height in pixels. ``topic``: int64 [frames], an index into ``topics`` and
    ``frame_ids``. ``stamp_ns``, ``recorded_ns``: int64 [frames], the stamp of a bag's image and
    when it was recorded, else 0.
    ``count``: int64 [frames], heads in each. ``rows``: float64 [heads, ROW_WIDTH], in the order
    of the frames. ``damaged``: at how many places something could not be decoded. ``problems``: by
    frame number, what is wrong there; under -1 what holds for the input as a whole.
    """

    number: NDArray[np.int64]
    time_s: FloatArray
    stamp_ns: NDArray[np.int64]
    recorded_ns: NDArray[np.int64]
    size: NDArray[np.int64]
    topic: NDArray[np.int64]
    count: NDArray[np.int64]
    rows: FloatArray
    topics: tuple[str, ...] = ()
    frame_ids: tuple[str, ...] = ()
    damaged: int = 0
    problems: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, problems: Mapping[int, str]) -> FrameHeads:
        """Return that there are no frames, and why."""
        none = np.zeros(0, np.int64)
        return cls(
            number=none,
            time_s=np.zeros(0),
            stamp_ns=none,
            recorded_ns=none,
            size=none.reshape(0, 2),
            topic=none,
            count=none,
            rows=np.zeros((0, ROW_WIDTH)),
            problems=problems,
        )

    def heads_of_frames(self) -> Iterator[list[Head]]:
        """Yield the heads of each frame."""
        for end, count in zip(np.cumsum(self.count), self.count, strict=True):
            yield [head_from_row(row) for row in self.rows[end - count : end]]

    def to_bytes(self) -> bytes:
        """Return the content of an .npz file."""
        stream = io.BytesIO()
        about = {
            'topics': self.topics,
            'frame_ids': self.frame_ids,
            'damaged': self.damaged,
            'problems': {str(number): text for number, text in self.problems.items()},
        }
        np.savez(
            stream,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            **{name: getattr(self, name) for name in _ARRAYS},
        )
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> FrameHeads:
        """
        Read what to_bytes made.

        :raises ValueError: if it is something else, or damaged
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                about = json.loads(bytes(file['about']))
                arrays: dict[str, Any] = {name: file[name] for name in _ARRAYS}
                return cls(
                    **arrays,
                    topics=tuple(about['topics']),
                    frame_ids=tuple(about['frame_ids']),
                    damaged=about['damaged'],
                    problems={int(number): text for number, text in about['problems'].items()},
                )
        except Exception as error:  # zipfile, zlib and NumPy each have their own
            raise ValueError(f'not the heads of a run, or damaged: {error}') from error


def row_from_head(head: Head) -> FloatArray:
    """Return a head as one row of numbers, float64 [ROW_WIDTH]."""
    face = head.face
    parts = {
        'box': (face.box.x, face.box.y, face.box.width, face.box.height),
        'score': face.score,
        'square': (face.square.center_x, face.square.center_y, face.square.side),
        'landmarks': face.landmarks,
        'turn_deg': face.turn_deg,
        'rotation': head.rotation_optical,
        'position_m': head.position_m,
        'rotation_covariance_rad2': head.rotation_covariance_rad2,
        'position_covariance_m2': head.position_covariance_m2,
        'distance_from_depth': head.distance_from_depth,
    }
    row = np.full(ROW_WIDTH, np.nan)
    for name, value in parts.items():
        if value is not None:
            row[_ENDS[name] - _SIZES[name] : _ENDS[name]] = np.ravel(np.asarray(value, np.float64))
    return row


def head_from_row(row: FloatArray) -> Head:
    """Return the head that row_from_head made a row of."""

    def part(name: str) -> Any:
        return row[_ENDS[name] - _SIZES[name] : _ENDS[name]].reshape(_PARTS[name])

    def known(name: str) -> Any:
        values = part(name)
        return None if np.isnan(values).any() else values

    face = Face(
        box=Box(*part('box').tolist()),
        score=float(part('score')),
        square=Square(*part('square').tolist()),
        landmarks=known('landmarks'),
        turn_deg=float(part('turn_deg')),
    )
    return Head(
        face=face,
        rotation_optical=part('rotation'),
        position_m=known('position_m'),
        rotation_covariance_rad2=known('rotation_covariance_rad2'),
        position_covariance_m2=known('position_covariance_m2'),
        distance_from_depth=bool(part('distance_from_depth')),
    )

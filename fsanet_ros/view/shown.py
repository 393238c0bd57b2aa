"""What a live view shows, and what it lets people change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.types import FloatArray, Head, Image

#: The target of a head that looks into the camera, as the view draws it.
CAMERA = 'camera'


@dataclass(frozen=True, eq=False)
class ShownHead:
    """
    A head with its id.

    ``target``: what it looks at, 'camera', another head's id or any name; empty: nothing known.
    """

    id: str
    head: Head
    target: str = ''
    target_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Place:
    """
    Where a camera stands: its optical frame in a world with z up, in which the first looks along x.

    ``wxyz``: a quaternion.
    """

    position_m: FloatArray
    wxyz: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Shown:
    """
    An image of one camera and the heads in it.

    ``source``: the camera's name, such as its topic. ``image`` returns the pixels, uint8
    [h, w, 3] BGR: it is called in the view's thread, and only for images that are shown.
    ``camera``: None if it is not calibrated. ``place``: None if it is not known.
    """

    source: str
    time_s: float
    image: Callable[[], Image]
    heads: Sequence[ShownHead] = ()
    camera: CameraModel | None = None
    place: Place | None = None


@dataclass(frozen=True)
class Control:
    """
    Something that people may change while they look: a slider, or a choice.

    ``apply`` gets the new value, a float or one of ``choices``, and returns why it is refused,
    empty if it is not. It is called in a thread of its own.
    """

    name: str
    hint: str
    value: float | str
    apply: Callable[[float | str], str]
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """How a source is, for people: ``problem`` is empty if it is well."""

    source: str
    problem: str = ''
    figures: dict[str, str] = field(default_factory=dict)

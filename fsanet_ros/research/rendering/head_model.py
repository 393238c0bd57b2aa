"""
The parametric head model: shapes of real heads with known landmarks, without colours.

Its data is ICT-FaceKit Light by the USC Institute for Creative Technologies (MIT licence),
https://github.com/ICT-VGL/ICT-FaceKit, packed as one .npz. It is not part of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.arrays import FloatArray, IntArray
from fsanet_ros.files.array_files import Layout, read_arrays

#: The data, beside a checkout.
DEFAULT_PATH = Path('../shared/data/ict_facekit/ict_face_model_light.npz')

SKIN, MOUTH, EYE_SOCKET, GUMS, TEETH, EYE, CLOTH = range(7)
# Worn things (``rendering.worn``).
HAIR, FABRIC, SHINY = range(7, 10)

# The first vertex of each part that is drawn, and its end. Only the outer of the two shells of an
# eyeball is drawn; lashes, tear film and the like are left out, because they need transparency.
_PARTS: tuple[tuple[int, int, int], ...] = (
    (SKIN, 0, 11248),
    (MOUTH, 11248, 13294),
    (EYE_SOCKET, 13294, 14062),
    (GUMS, 14062, 17039),
    (TEETH, 17039, 21451),
    (EYE, 21451, 22221),
    (EYE, 23021, 23791),
)
_SELLION = 27
_VERTICES = 26719
_LAYOUT: Layout = {
    'neutral': ('numbers', (_VERTICES, 3)),
    'triangles': ('whole numbers', ('triangles', 3)),
    'identity': ('numbers', ('identities', _VERTICES, 3)),
    'expression': ('numbers', ('expressions', _VERTICES, 3)),
    'expression_names': ('texts', ('expressions',)),
    'landmarks68': ('whole numbers', (68,)),
}


class HeadModel:
    """
    Head shapes from identity and expression coefficients.

    Vertices are float64 [n, 3], metres, in the head frame: x to the person's left, which is the
    image's right when they look into the camera, y down, z into the head. The origin is the sellion
    (landmark 27) of the mean head.

    ``mean``: the mean neutral head, float64 [n, 3]. ``triangles``: int64 [m, 3]. ``part``:
    int64 [n], SKIN, EYE and so on. ``landmarks``: int64 [68], vertices in iBUG's order.
    """

    def __init__(
        self,
        neutral_cm: ArrayLike,
        triangles: ArrayLike,
        identity_cm: ArrayLike,
        expression_cm: ArrayLike,
        expression_names: list[str],
        landmarks68: ArrayLike,
    ) -> None:
        """
        Take the arrays of ICT-FaceKit Light: centimetres, y up, z out of the face.

        :param neutral_cm: [26719, 3]
        :param triangles: [*, 3]
        :param identity_cm: [i, 26719, 3], offsets of one standard deviation
        :param expression_cm: [e, 26719, 3], offsets of full expressions
        :param landmarks68: [68], vertices
        """
        kept = np.concatenate([np.arange(first, end) for _, first, end in _PARTS])
        position = np.full(len(np.asarray(neutral_cm)), -1, np.int64)
        position[kept] = np.arange(len(kept))
        new_triangles = position[np.asarray(triangles, np.int64)]
        self.landmarks: IntArray = position[np.asarray(landmarks68, np.int64)]
        self.triangles: IntArray = new_triangles[np.all(new_triangles >= 0, axis=1)]
        self.part: IntArray = np.concatenate(
            [np.full(end - first, part) for part, first, end in _PARTS]
        )
        to_head = np.array([0.01, -0.01, -0.01])
        mean = np.asarray(neutral_cm, np.float64)[kept] * to_head
        self.mean: FloatArray = mean - mean[self.landmarks[_SELLION]]
        # float32, as double precision would take a third of a gigabyte.
        self._identity = np.asarray(identity_cm)[:, kept].astype(np.float32) * np.float32(0.01)
        self._expression = np.asarray(expression_cm)[:, kept].astype(np.float32) * np.float32(0.01)
        self._identity[..., 1:] *= -1.0
        self._expression[..., 1:] *= -1.0
        self.expression_names = list(expression_names)

    @classmethod
    def load(cls, path: Path | str | None = None) -> HeadModel:
        """
        Read the model.

        :param path: ict_face_model_light.npz; by default in ../shared beside the checkout.
        :raises FileNotFoundError: naming the missing file and its publisher.
        :raises ValueError: if it is damaged
        """
        file = Path(__file__).parents[3] / DEFAULT_PATH if path is None else Path(path)
        if not file.is_file():
            raise FileNotFoundError(
                f'no head model at {file}: it is ICT-FaceKit Light by the USC Institute for '
                'Creative Technologies (MIT licence, https://github.com/ICT-VGL/ICT-FaceKit), '
                'packed as one .npz with neutral, triangles, identity, expression and landmarks68'
            )
        data = read_arrays(file, _LAYOUT)
        for name in ('triangles', 'landmarks68'):
            if not ((data[name] >= 0) & (data[name] < _VERTICES)).all():
                raise ValueError(f'{file} names vertices in {name} that it does not have')
        return cls(
            data['neutral'],
            data['triangles'],
            data['identity'],
            data['expression'],
            [str(name) for name in data['expression_names']],
            data['landmarks68'],
        )

    @property
    def identity_count(self) -> int:
        """The number of identity coefficients."""
        return len(self._identity)

    def shape(
        self, identity: ArrayLike = (), expression: Mapping[str, float] | None = None
    ) -> FloatArray:
        """
        Return the vertices of a head, float64 [n, 3], metres, with its neutral sellion as origin.

        :param identity: up to identity_count coefficients, in standard deviations
        :param expression: strengths, 0 to 1, by names from ``expression_names``
        :raises ValueError: for an expression that the model does not know.
        """
        weights = np.asarray(identity, np.float32).ravel()
        vertices = self.mean + np.tensordot(weights, self._identity[: len(weights)], axes=1)
        # The sellion marks the skull, so it is fixed before the expression moves anything.
        vertices -= vertices[self.landmarks[_SELLION]]
        for name, value in (expression or {}).items():
            if name not in self.expression_names:
                raise ValueError(
                    f'no expression {name!r}: expected one of {", ".join(self.expression_names)}'
                )
            if value:
                vertices += value * self._expression[self.expression_names.index(name)]
        return vertices

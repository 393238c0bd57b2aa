"""Names for the kinds of NumPy arrays that the package passes around, and what an image is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: uint8 [height, width, 3], BGR unless the function says otherwise.
Image = NDArray[np.uint8]
#: [height, width], z along the optical axis (REP-118): uint16 in millimetres or float32 in metres.
DepthImage = NDArray[np.uint16] | NDArray[np.float32]


def check_image(image: Image) -> None:
    """Raise ValueError unless ``image`` is uint8 [height, width, 3], of at least one pixel."""
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f'the image is a {type(image).__name__}, expected uint8 [h, w, 3]: a NumPy array, BGR'
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f'the image is {image.dtype} {list(image.shape)}, expected uint8 [h, w, 3] with BGR '
            'pixels'
        )

"""Names for the kinds of NumPy arrays that the package passes around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: uint8 [height, width, 3], BGR unless the function says otherwise.
Image = NDArray[np.uint8]
#: [height, width], z along the optical axis (REP-118): uint16 in millimetres or float32 in metres.
DepthImage = NDArray[np.uint16] | NDArray[np.float32]

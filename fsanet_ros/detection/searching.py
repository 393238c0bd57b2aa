"""When windows are searched that nobody waits for: at once, or beside the images that follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fsanet_ros.detection.detector import FaceDetector
from fsanet_ros.detection.matching import best_first
from fsanet_ros.detection.windows import Window, detect_in
from fsanet_ros.types import Face, Image

# What windows show is looked at a second time before it counts: so less is enough at first.
SCORE_SHARE = 0.5


class SearchAtOnce:
    """Searches windows when they are due: what is found depends on the images alone."""

    ready = True

    def look(self, detector: FaceDetector, image: Image, windows: Sequence[Window]) -> list[Face]:
        """Return what may be faces in the windows of an image, uint8 [h, w, 3] BGR."""
        return detect_in_all(detector, image, windows)

    def close(self) -> None:
        """Nothing runs."""


class SearchBeside:
    """
    Searches windows in a thread of its own, so that no image waits for it.

    Who is found is handed out with the image that comes when the search is over.
    """

    def __init__(self) -> None:
        """The thread starts with the first search."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='search')
        self._future: Future[list[Face]] | None = None

    @property
    def ready(self) -> bool:
        """Whether a search can be started."""
        return self._future is None or self._future.done()

    def look(self, detector: FaceDetector, image: Image, windows: Sequence[Window]) -> list[Face]:
        """
        Return what the search that is over has found, and start one if it can be started.

        :param image: uint8 [h, w, 3] BGR; it is kept until the search is over
        :raises Exception: what the detector raised in the search that is over
        """
        found: list[Face] = []
        if self._future is not None and self._future.done():
            over, self._future = self._future, None
            found = over.result()
        if windows and self._future is None:
            self._future = self._thread.submit(detect_in_all, detector, image, tuple(windows))
        return found

    def close(self) -> None:
        """Wait for what runs, some milliseconds."""
        self._thread.shutdown()


def detect_in_all(detector: FaceDetector, image: Image, windows: Iterable[Window]) -> list[Face]:
    """Return what may be faces in windows of an image, the best first and none twice."""
    return best_first(
        face for window in windows for face in detect_in(detector, image, window, SCORE_SHARE)
    )

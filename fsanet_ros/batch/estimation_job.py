"""What a worker does: the heads of the frames of one job. It needs no ROS and keeps no state."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from multiprocessing.process import BaseProcess

import numpy as np

from fsanet_ros.batch import bag_frames, video_frames
from fsanet_ros.batch.head_arrays import ROW_WIDTH, FrameHeads, row_from_head
from fsanet_ros.batch.head_finder import NODE_MIRROR_MAX_FACES, HeadFinder
from fsanet_ros.batch.jobs import EstimationSettings, Job
from fsanet_ros.batch.readers import Frame, pictures
from fsanet_ros.detection import make_detector
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.pictures import MAX_PIXELS
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.types import FloatArray, Head, Image

WHOLE = -1  # the number under which what holds for an input as a whole is kept


def begin_worker() -> None:
    """
    Prepare a worker process of one's own.

    It leaves Ctrl-C to the process that hands out the jobs, and ends with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    import cv2

    cv2.setNumThreads(1)


def _end_with(parent: BaseProcess) -> None:
    parent.join()  # returns also when it was killed
    os._exit(1)


def estimate_job(job: Job, settings: EstimationSettings) -> bytes:
    """
    Return the heads of a job's frames: FrameHeads as bytes.

    What cannot be read is said in them; an error is raised only for settings that are wrong.

    :raises ValueError: if a name or file in the settings is wrong
    :raises OSError: if a file that they name cannot be read
    :raises ImportError: if a package that they need is missing
    """
    estimator, camera = load_estimator(settings)
    collected = _Collected()
    is_picture = job.inputs[0].kind == 'picture'
    # Pictures do not follow one another.
    finder = HeadFinder(
        estimator,
        settings.detection_size,
        as_node=settings.as_node and not is_picture,
        mounting_deg=settings.mounting_deg,
    )
    try:
        for frame in _frames(job, settings):
            if frame.image is None:
                collected.add_problem(frame)
                if is_picture:
                    collected.add(frame, [])  # each picture has its place
                continue
            seen_by = frame.camera or camera
            misfit = misfit_of(seen_by, frame.image) if seen_by else frame.calibration_problem
            if misfit:
                collected.problems[collected.next_frame if is_picture else WHOLE] = misfit
                seen_by = None
            heads = finder.find(frame.image, seen_by, frame.topic, frame.time_s)
            collected.add(frame, heads)
    except (ValueError, OSError) as error:
        collected.problems[WHOLE] = str(error)
    return collected.result().to_bytes()


def _frames(job: Job, settings: EstimationSettings) -> Iterator[Frame]:
    first = job.inputs[0]
    if first.kind == 'picture':
        yield from pictures(job.inputs)
    elif first.kind == 'bag':
        for found in bag_frames.frames(
            first.address, job.begin_s, job.end_s, settings.image_topics
        ):
            yield Frame(
                found.image,
                found.stamp_ns / 1e9,
                topic=found.topic,
                frame_id=found.frame_id,
                stamp_ns=found.stamp_ns,
                recorded_ns=found.recorded_ns,
                camera=found.camera,
                calibration_problem=found.calibration_problem,
                problem=found.problem,
            )
    else:
        for image, time_s, problem in video_frames.frames(
            first.address, job.begin_s, job.end_s, MAX_PIXELS
        ):
            yield Frame(image, time_s, problem=problem)


@lru_cache(maxsize=1)
def load_estimator(settings: EstimationSettings) -> tuple[HeadPoseEstimator, CameraModel | None]:
    """Return the estimator and the camera that the settings name; see estimate_job."""
    camera = None
    if settings.calibration:
        camera = CameraModel.from_file(settings.calibration)
    detector = make_detector(
        settings.detector,
        detection_size=settings.detection_size,
        model_path=settings.detector_model,
    )
    estimator = HeadPoseEstimator(
        detector,
        settings.weights,
        mirror=settings.mirror,
        mirror_max_faces=NODE_MIRROR_MAX_FACES if settings.as_node else None,
    )
    return estimator, camera


def misfit_of(camera: CameraModel, image: Image) -> str:
    """Return why a calibration says nothing of an image, empty if it does."""
    height, width = image.shape[:2]
    if camera.width not in (0, width) or camera.height not in (0, height):
        return (
            f'the calibration is for {camera.width} x {camera.height} pixels, the frames have '
            f'{width} x {height}: no positions'
        )
    try:
        camera.fitting(width, height)
    except ValueError as error:
        return f'{error}: no positions'
    return ''


class _Collected:
    """The frames of a job and their heads, as they come."""

    def __init__(self) -> None:
        self.problems: dict[int, str] = {}
        self._damaged = 0
        self._times_s: list[float] = []
        self._whole: list[tuple[int, ...]] = []
        self._sources: dict[tuple[str, str], int] = {}
        self._rows: list[FloatArray] = []

    @property
    def next_frame(self) -> int:
        """The number of the frame that comes next."""
        return len(self._times_s)

    def add(self, frame: Frame, heads: Sequence[Head]) -> None:
        """Take a frame and its heads."""
        height, width = (0, 0) if frame.image is None else frame.image.shape[:2]
        source = frame.topic, frame.frame_id
        number = self._sources.setdefault(source, len(self._sources))
        self._times_s.append(frame.time_s)
        self._whole.append((frame.stamp_ns, frame.recorded_ns, width, height, number, len(heads)))
        self._rows.extend(row_from_head(head) for head in heads)

    def add_problem(self, frame: Frame) -> None:
        """Take a place at which something could not be decoded."""
        self._damaged += 1
        self.problems.setdefault(self.next_frame, frame.problem)

    def result(self) -> FrameHeads:
        """Return all of it."""
        whole = np.array(self._whole, np.int64).reshape(-1, 6)
        return FrameHeads(
            number=np.arange(len(whole)),
            time_s=np.array(self._times_s, np.float64),
            stamp_ns=whole[:, 0],
            recorded_ns=whole[:, 1],
            size=whole[:, 2:4],
            topic=whole[:, 4],
            count=whole[:, 5],
            rows=np.array(self._rows, np.float64).reshape(-1, ROW_WIDTH),
            topics=tuple(topic for topic, _ in self._sources),
            frame_ids=tuple(frame_id for _, frame_id in self._sources),
            damaged=self._damaged,
            problems=self.problems,
        )

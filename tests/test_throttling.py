"""However many problems there are, the log stays readable, and a new one is not hidden."""

import pytest

pytest.importorskip('rclpy')

from fsanet_ros.ros import throttling
from fsanet_ros.ros.throttling import MOST_CHARACTERS, MOST_LINES, PERIOD_S, ThrottledWarnings


@pytest.fixture
def log(monkeypatch):
    class Log:
        def __init__(self):
            self.lines, self.now_s = [], 100.0

        def warning(self, text):
            self.lines.append(text)

        def monotonic(self):
            return self.now_s

    log = Log()
    monkeypatch.setattr(throttling, 'time', log)
    return log


def test_the_same_is_said_again_after_ten_seconds(log):
    warnings = ThrottledWarnings(log)
    for _ in range(60 * 10):
        warnings.warn('the image is 3 x 4 pixels', 'front')
        log.now_s += 0.1
    assert len(log.lines) == 60 / PERIOD_S


def test_texts_that_differ_in_numbers_or_names_are_the_same(log):
    warnings = ThrottledWarnings(log)
    for number in range(600):
        warnings.warn(f"the encoding is 'x{number}', {number} bytes", 'front')
        warnings.warn(f'the format is "y{number}"', 'front')
    assert len(log.lines) == 2


def test_of_one_cause_only_a_handful_comes_however_the_texts_differ(log):
    warnings = ThrottledWarnings(log)
    for number in range(600):
        warnings.warn('z' * number, 'front')
        log.now_s += 0.05
    assert len(log.lines) == MOST_LINES
    assert 'no more' in log.lines[-1]
    log.now_s += 61.0
    warnings.warn('again', 'front')
    assert log.lines[-1] == 'again'


def test_a_flood_of_one_cause_hides_no_other(log):
    warnings = ThrottledWarnings(log)
    for number in range(600):
        warnings.warn('z' * number, 'front')
    warnings.warn('nothing comes', 'back')
    assert log.lines[-1] == 'nothing comes'


def test_a_line_is_no_longer_than_it_can_be_read(log):
    ThrottledWarnings(log).warn('x' * 1_000_000)
    (line,) = log.lines
    assert len(line) < MOST_CHARACTERS + 50 and '1000000 characters' in line


def test_nothing_piles_up(log):
    warnings = ThrottledWarnings(log)
    for number in range(10_000):
        warnings.warn('z' * (number % 977), 'front')
        log.now_s += 1.0
    assert len(warnings._lines) <= MOST_LINES

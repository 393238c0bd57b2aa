"""Programs keep the memory of large arrays: an image after the first costs no page faults."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from fsanet_ros.allocation import keep_freed_memory
print(keep_freed_memory())
def image():
    np.empty(6_000_000, np.uint8).fill(1)
for _ in range(3):
    image()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    image()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""


def faults(**environment):
    without = {k: v for k, v in os.environ.items() if not k.startswith(('MALLOC_', 'GLIBC_'))}
    output = subprocess.check_output(
        [sys.executable, '-c', FAULTS], env=without | environment, text=True, timeout=60
    )
    told, count = output.split()
    return told, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='other C libraries have no mallopt')
def test_freed_memory_is_used_again_without_page_faults():
    told, count = faults()
    assert told == 'True' and count < 100  # 1465 pages


def test_what_the_user_has_set_stays():
    told, _ = faults(MALLOC_TRIM_THRESHOLD_='1000000')
    assert told == 'False'

"""Child processes start from a user's plain script, which they do not run again."""

import subprocess
import sys

import pytest

# A script as people write it: everything at the top, and nothing asks for __main__.
PLAIN_SCRIPT = """
import math
from fsanet_ros.batch.workers import LocalWorkers
from fsanet_ros.files.untrusted import mapped_in_a_process

print('started')
print({work})
"""
WORK = {
    'parser': 'list(mapped_in_a_process(math.sqrt, [4.0, 9.0]))',
    'workers': 'sorted(LocalWorkers(2).run(math.sqrt, [4.0, 9.0]))',
}


@pytest.mark.parametrize('name', WORK)
def test_a_script_without_a_guard_runs_once(tmp_path, name):
    script = tmp_path / 'plain.py'
    script.write_text(PLAIN_SCRIPT.format(work=WORK[name]))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, '')
    results = {'parser': '[2.0, 3.0]', 'workers': '[(4.0, 2.0), (9.0, 3.0)]'}
    assert done.stdout.split('\n')[:2] == ['started', results[name]]

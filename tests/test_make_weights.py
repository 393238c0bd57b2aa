"""scripts/make_weights.sh gives each command options that it takes, and goes on where it was."""

import importlib
import itertools
import os
import subprocess
from pathlib import Path

import pytest

from fsanet_ros.tools.commands import COMMANDS

pytest.importorskip('torch', reason='PyTorch is not installed')

ROOT = Path(__file__).parents[1]
# Stands in for ./run: notes what it was asked for and writes what the next command waits for.
STUB = """#!/bin/bash
printf '%s\\t' "$@" >> "$LOG"; echo >> "$LOG"
[ "$1" = "$STOP" ] && exit 1
while [ $# -gt 0 ]; do
    case "$1" in --output) output=$2;; --name) name=$2;; --count) name=render;; esac
    shift
done
case "$output" in
    *.npz) touch "$output";;
    ?*) mkdir -p "$output"; touch "$output/${name/render/labels}.npz" "$output/$name.onnx";;
esac
exit 0
"""


@pytest.fixture
def make(tmp_path):
    stub, log = tmp_path / 'stub', tmp_path / 'log'
    stub.write_text(STUB)
    stub.chmod(0o755)

    def run(stop=''):
        log.write_text('')
        environment = {**os.environ, 'RUN': str(stub), 'LOG': str(log), 'STOP': stop}
        command = [ROOT / 'scripts' / 'make_weights.sh', tmp_path / 'data', tmp_path / 'out']
        code = subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode
        return code, [line.split('\t')[:-1] for line in log.read_text().splitlines()]

    return run


def parse(words):
    """Have the command itself read its options; ends the test if it does not know one."""
    if words[0] == 'shell':
        return importlib.import_module(words[4])._parser().parse_args(words[5:])
    module = importlib.import_module(f'fsanet_ros.tools.{COMMANDS[words[0]][0]}')
    if words[1] == 'fuse':
        return module._fuse_parser().parse_args(words[2:])
    return module._parser().parse_args(words[1:])


def test_every_command_takes_its_options(make):
    code, commands = make()
    assert code == 0
    names = [words[0] for words in commands]
    assert names == ['render'] * 2 + ['labels'] + ['train'] * 6 + ['models'] + ['shell'] * 2
    for words in commands:
        parse(words)


def test_each_stage_starts_from_the_weights_of_the_one_before(make):
    trainings = [parse(words) for words in make()[1] if words[0] == 'train']
    for before, after in itertools.pairwise(trainings):
        if after.start:
            assert Path(after.start) == before.output / f'{before.name}.safetensors'
    assert [len(training.teacher) for training in trainings] == [1, 2, 2, 1, 2, 2]
    assert [bool(training.start) for training in trainings] == [False, True, True] * 2


def test_what_is_done_is_not_done_again(make):
    assert make(stop='models')[0] == 1
    assert [words[0] for words in make()[1]] == ['models', 'shell', 'shell']

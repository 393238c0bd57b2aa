"""Files that somebody else wrote end no run with a traceback, a crash or a long wait."""

import os
import signal
import time
from pathlib import Path

import pytest

from fsanet_ros.demo import CLIP_POSES, read_poses
from fsanet_ros.files.calibration_file import CalibrationError, read_calibration
from fsanet_ros.files.untrusted import load_yaml, mapped_in_a_process, read_rows


def nested_aliases(levels=12):
    """Return a kilobyte of YAML that unfolds to 10 ** levels entries."""
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]' for n in range(1, levels)]
    return '\n'.join(lines)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (nested_aliases().encode(), 'aliases'),
        (b'{', 'not YAML'),
        (b'a: \xff', 'not YAML'),
        (b'[' * 5000, 'nested more than'),
        (b'# ' + b'x' * (5 << 20), 'bytes, expected at most'),
        (b'!!python/object/apply:os.system ["true"]', 'not YAML'),
    ],
    ids=['nested aliases', 'cut off', 'not UTF-8', 'nested lists', 'too long', 'code'],
)
def test_yaml_that_is_none_is_refused_at_once(tmp_path, content, reason):
    path = tmp_path / 'file.yaml'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        load_yaml(path)
    with pytest.raises(CalibrationError, match=reason):
        read_calibration(path)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'has no column a, b'),
        (b'a,c\n1,2\n', 'has no column b'),
        (b'a,b\n', 'has no rows'),
        (b'a,b\n\xff,1\n', 'not UTF-8'),
        (b'a,b\n"' + b'x' * 200_000 + b'",1\n', 'field larger than field limit'),
    ],
    ids=['empty', 'without a column', 'without rows', 'not UTF-8', 'huge field'],
)
def test_tables_that_are_none_are_refused_by_name(tmp_path, content, reason):
    table = tmp_path / 'table.csv'
    table.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        list(read_rows(table, ('a', 'b'), 'expected a and b'))
    assert str(table) in str(caught.value) and 'expected a and b' in str(caught.value)


def test_cells_that_a_row_lacks_are_empty(tmp_path):
    table = tmp_path / 'table.csv'
    table.write_text('a,b\n1\n')
    assert list(read_rows(table, ('a', 'b'), '')) == [(f'{table}, line 2', {'a': '1', 'b': ''})]


@pytest.mark.parametrize('damage', [lambda line: line[:20], lambda line: line.replace('0', 'x', 1)])
def test_a_damaged_row_of_the_truth_is_named(tmp_path, damage):
    lines = CLIP_POSES.read_text().splitlines()
    lines[4] = damage(lines[4])
    table = tmp_path / 'poses.csv'
    table.write_text('\n'.join(lines) + '\n')
    with pytest.raises(ValueError, match=r'poses\.csv, line 5'):
        read_poses(table)


def double(number):
    if number == 7:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 9:
        raise LookupError('nine')
    return 2 * number


def test_a_parser_that_crashes_names_the_item_and_leaves_this_process_alone():
    results = mapped_in_a_process(double, range(100))
    found = []
    with pytest.raises(ValueError, match=r'^7 is damaged'):
        found.extend(results)  # extend keeps what came before
    assert found == [0, 2, 4, 6, 8, 10, 12]


def test_errors_and_results_come_back_in_order():
    assert list(mapped_in_a_process(double, [1, 2, 3])) == [2, 4, 6]
    with pytest.raises(LookupError, match='nine'):
        list(mapped_in_a_process(double, [8, 9]))


def test_it_names_the_item_too_when_the_process_has_died_before_others_are_handed_over():
    def items():
        yield from range(64)
        time.sleep(3.0)  # 7 crashes meanwhile
        yield from range(64, 100)

    found = []
    with pytest.raises(ValueError, match=r'^7 is damaged'):
        found.extend(mapped_in_a_process(double, items()))
    assert found == [2 * number for number in range(7)]


@pytest.mark.parametrize('read', [read_calibration, lambda path: list(read_rows(path, ['a'], 'x'))])
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path, read):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    for path, kind in ((pipe, 'a pipe'), (Path('/dev/zero'), 'a device')):
        with pytest.raises((OSError, ValueError), match=f'it is {kind}, expected a file'):
            read(path)

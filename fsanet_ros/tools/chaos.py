"""
Faults around a running node, by cameras, clocks, people and the machine.

Each fault is made and taken away again. Then heads have to come again in time, ids have to be
unique, the log free of tracebacks, and diagnostics have to have named the cause meanwhile.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from fsanet_ros.benchmarks.bench_arguments import add_outputs, positive_number, save, save_report
from fsanet_ros.benchmarks.bench_report import table
from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.benchmarks.chaos.faults import ChaosError, Fault, Outcome
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.node_runs.surroundings import leave_the_robot_alone, use_shared_memory
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.files.texts import shortened
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights
from fsanet_ros.research.arguments import positive
from fsanet_ros.tools.command_line import DONE, ERROR, command_parser, fail, note

HEADER = (
    'fault',
    'what',
    'heads again, s',
    'answers meanwhile',
    'diagnostics said',
    'log lines',
    '',
)
CASE = Case(640, 480, 1)
_KILLS, _PARTICIPANTS = 3, 20


def main(argv: list[str] | None = None) -> int:
    """Make the faults from the command line; return 0 if the node recovered from all."""
    parser = command_parser('chaos', __doc__)
    parser.add_argument('faults', nargs='*', metavar='FAULT', help='only these; default: all')
    parser.add_argument('--list', action='store_true', help='say which faults there are')
    parser.add_argument('--kills', type=positive, default=_KILLS, help='of the node')
    parser.add_argument(
        '--participants', type=positive, default=_PARTICIPANTS, help='that come and go'
    )
    parser.add_argument(
        '--patience',
        type=positive_number,
        default=1.0,
        metavar='FACTOR',
        help='by which limits are longer, on a machine that is slow or busy',
    )
    add_outputs(parser)
    arguments = parser.parse_args(argv)
    faults = all_faults(arguments.kills, arguments.participants)
    if arguments.list:
        print('\n'.join(f'{fault.name:<14}{fault.what}' for fault in faults))
        return DONE
    names = [fault.name for fault in faults]
    if unknown := set(arguments.faults) - set(names):
        parser.error(f'unknown faults: {", ".join(sorted(unknown))}. There are: {", ".join(names)}')
    chosen = [
        replace(fault, limit_s=fault.limit_s * arguments.patience)
        for fault in faults
        if not arguments.faults or fault.name in arguments.faults
    ]
    machine = Machine()
    note(arguments, machine.summary())
    leave_the_robot_alone()
    use_shared_memory()
    outcomes: list[Outcome] = []
    try:
        for outcome in run(chosen):
            outcomes.append(outcome)
            print('  '.join(filter(None, row(outcome))), flush=True)
    except ChaosError as error:
        fail('chaos', error)
    save(arguments, machine, {'faults': [asdict(outcome) for outcome in outcomes]})
    save_report(arguments, machine, 'chaos', [table(HEADER, map(row, outcomes))])
    failed = [outcome.name for outcome in outcomes if outcome.failure]
    if failed:
        fail('chaos', f'the node did not recover from: {", ".join(failed)}')
    return ERROR if failed or len(outcomes) < len(chosen) else DONE


def all_faults(kills: int = _KILLS, participants: int = _PARTICIPANTS) -> Sequence[Fault]:
    """Return all faults, in the order in which they are made; see node_faults."""
    from fsanet_ros.benchmarks.chaos.camera_faults import CAMERA_FAULTS
    from fsanet_ros.benchmarks.chaos.machine_faults import MACHINE_FAULTS
    from fsanet_ros.benchmarks.chaos.network_faults import NETWORK_FAULTS
    from fsanet_ros.benchmarks.chaos.node_faults import node_faults

    return (*CAMERA_FAULTS, *node_faults(kills, participants), *NETWORK_FAULTS, *MACHINE_FAULTS)


def run(faults: Sequence[Fault]) -> Iterator[Outcome]:
    """
    Make faults around a new node; yield what came of each.

    :raises ChaosError: if no heads come without any fault
    """
    from fsanet_ros.benchmarks.chaos.world import World, run_faults

    with tempfile.TemporaryDirectory(prefix='fsanet_ros_chaos_') as folder:
        weights = Path(folder) / f'{DEFAULT_WEIGHTS}.onnx'
        shutil.copyfile(find_weights(DEFAULT_WEIGHTS, '.onnx'), weights)
        # A face counts at once: between two images of a busy machine it may be forgotten.
        parameters = {'network.weights': weights, 'tracking.announce_s': 0.0}
        with World(make_scene(CASE).images, parameters) as world:
            yield from run_faults(world, faults)


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return the cells of HEADER for a fault."""
    if outcome.skipped:
        return outcome.name, outcome.what, '', '', '', '', f'not here: {outcome.skipped}'
    return (
        outcome.name,
        outcome.what,
        f'{outcome.recovery_s:.1f} (limit {outcome.limit_s:g})',
        str(outcome.answers),
        shortened('; '.join(outcome.said), 300) or 'nothing wrong',
        str(outcome.lines),
        f'FAILED: {outcome.failure}' if outcome.failure else 'recovered',
    )


if __name__ == '__main__':
    sys.exit(main())

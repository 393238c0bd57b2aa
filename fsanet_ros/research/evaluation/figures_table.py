"""The figures of an evaluation as a plain-text table."""

from __future__ import annotations

from typing import Any

from fsanet_ros.research.evaluation.pose_errors import ANGLES, NOMINAL, NOMINAL_MAX_DEG, VECTORS


def title(figures: dict[str, Any]) -> str:
    """Return two lines: what was evaluated on which data, and on how many faces."""
    passes = ', averaged with the mirrored crop' if figures['mirror'] else ''
    protocol = f' (protocol {figures["protocol"]})' if figures['protocol'] else ''
    faces = figures['faces']
    counts = f'{faces} face{"s" * (faces != 1)}, {100 * figures["detected"]:.1f} % found'
    if figures['left_out']:
        counts += f'; {figures["left_out"]} more with an angle beyond 99 degrees were left out'
    found_by = figures['detector'] or figures['crop']
    return (
        f'{figures["weights"]["name"]} on {figures["data"]}{protocol}, faces by {found_by}, '
        f'{figures["crop_kind"]} crops{passes}\n{counts}'
    )


def table(figures: dict[str, Any]) -> str:
    """Return the figures as lines of fixed width, errors in degrees."""
    mae, geodesic = figures['mae'], figures['geodesic']
    lines = [
        _row('mean absolute error', [*ANGLES, 'mean']),
        _row('', [mae[name] for name in (*ANGLES, 'mean')]),
        _row('axis vectors (MAEV)', [*VECTORS, 'mean']),
        _row('', [figures['vectors'][name] for name in (*VECTORS, 'mean')]),
        _row('geodesic error', ['mean', 'median']),
        _row('', [geodesic['mean'], geodesic['median']]),
        _row('by |yaw|', ['n', 'MAE', 'geodesic']),
    ]
    for name, band in figures['bands'].items():
        lines.append(_row(f'  {name}', [str(band['n']), band['mae'], band['geodesic']]))
    if 'correlation' in figures:
        lines.append(_row(f'up to {NOMINAL_MAX_DEG:.0f} degrees', ['n', 'correl.', 'slope', 'MAE']))
        for name in NOMINAL:
            columns = ('correlation', 'slope', 'nominal_mae')
            correlation, slope, error = (figures[column][name] for column in columns)
            n = str(figures['nominal_n'])
            lines.append(_row(f'  {name}', [n, _number(correlation, 3), _number(slope, 3), error]))
    return '\n'.join(lines)


def conditions_table(results: dict[str, dict[str, Any]]) -> str:
    """Return one line per condition: mean absolute and geodesic error in degrees."""
    lines = [_row('', ['MAE', 'geodesic', 'median'])]
    for name, figures in results.items():
        geodesic = figures['geodesic']
        lines.append(_row(name, [figures['mae']['mean'], geodesic['mean'], geodesic['median']]))
    return '\n'.join(lines)


def _row(name: str, cells: list[Any]) -> str:
    return f'{name:<20}' + ''.join(
        f'{cell if isinstance(cell, str) else _number(cell):>10}' for cell in cells
    )


def _number(value: float | None, digits: int = 2) -> str:
    return '-' if value is None else f'{value:.{digits}f}'

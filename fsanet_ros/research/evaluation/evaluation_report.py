"""Write an evaluation as a folder: report.md, plots, and a sheet of the worst faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from fsanet_ros.research.evaluation.evaluate_images import Evaluation
from fsanet_ros.research.evaluation.figures_table import table, title
from fsanet_ros.research.evaluation.report_plots import (
    new_figure,
    plot_error_against_angle,
    plot_estimate_against_truth,
)
from fsanet_ros.research.evaluation.worst_faces import WORST, worst_faces_sheet

INDEX = 'report.md'
ERRORS = 'error_against_angle.png'
ANGLES = 'estimate_against_truth.png'
WORST_FACES = 'worst_faces.jpg'


def check_report(folder: Path) -> None:
    """
    Check early that a report can be written.

    :raises ImportError: if matplotlib is not installed
    :raises OSError: if the folder cannot be created
    """
    new_figure(1, 1)
    folder.mkdir(parents=True, exist_ok=True)


def write_report(folder: Path, evaluation: Evaluation, figures: dict[str, Any]) -> Path:
    """
    Write the report; return the path of report.md.

    :param figures: those of pose_errors.figures, and what was evaluated
    :raises ImportError: if matplotlib is not installed
    """
    folder.mkdir(parents=True, exist_ok=True)
    plot_error_against_angle(evaluation.errors, folder / ERRORS)
    plot_estimate_against_truth(evaluation.errors, folder / ANGLES)
    sheet = worst_faces_sheet(evaluation)
    if not cv2.imwrite(str(folder / WORST_FACES), sheet, [cv2.IMWRITE_JPEG_QUALITY, 92]):
        raise OSError(f'{folder / WORST_FACES} cannot be written')
    page = folder / INDEX
    page.write_text(_page(figures), encoding='utf-8')
    return page


def _page(figures: dict[str, Any]) -> str:
    heading, counts = title(figures).split('\n')
    return f"""# {heading}

{counts}. Errors are in degrees. Weights: SHA-256 `{figures['weights']['sha256']}`.

```
{table(figures)}
```

## Error against angle

Bins of the true angle are 10 degrees wide; bins with fewer than three faces are left out.

![error against angle]({ERRORS})

## Estimated against true angles

![estimated against true angles]({ANGLES})

## The {min(WORST, figures['n'])} worst faces

Left: true axes. Right: estimated axes. x (red) points out of the face, y (green) to the person's
left, z (blue) to the top of the head. Below: file, geodesic error; yaw, pitch, roll.

![the worst faces]({WORST_FACES})
"""

"""Train FSA-Net and write weights: safetensors for PyTorch, ONNX for everything else."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fsanet_ros.fsanet.weight_files import Description
from fsanet_ros.learning.faces import load_aflw_faces, split
from fsanet_ros.learning.recipe import load_recipe
from fsanet_ros.learning.scores import Scores

if TYPE_CHECKING:
    from fsanet_ros.learning.training import Trainer


def main(argv: list[str] | None = None) -> int:
    """Run a training from the command line; it continues where the last one stopped."""
    parser = argparse.ArgumentParser(prog='train', description=__doc__)
    parser.add_argument('--recipe', default='aflw', help='a YAML file, or the name of one')
    parser.add_argument('--data', type=Path, default=Path('../shared/data/aflw_faces'))
    parser.add_argument('--output', type=Path, default=Path('runs/aflw'), help='folder')
    parser.add_argument('--name', default='fsanet_aflw', help='of the weights')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--validate-every', type=int, default=2000, help='steps')
    arguments = parser.parse_args(argv)

    from fsanet_ros.learning.training import Trainer, train

    recipe = load_recipe(arguments.recipe)
    faces = load_aflw_faces(arguments.data)
    training, validation = split(faces, recipe.validation_share, recipe.seed)
    trainer = Trainer(recipe, arguments.device)
    if trainer.resume(arguments.output):
        print(f'continuing at step {trainer.step} of {recipe.steps}')
    print(f'{len(training)} faces to train on, {len(validation)} kept aside', flush=True)

    def report(step: int, scores: Scores) -> None:
        print(f'\nstep {step}: {scores}', flush=True)
        with (arguments.output / 'validation.jsonl').open('a', encoding='utf-8') as file:
            file.write(json.dumps({'step': step, **asdict(scores)}) + '\n')

    scores = train(
        trainer, training, validation, arguments.output, arguments.validate_every, report
    )
    print(f'kept aside: {scores}')
    _write(trainer, arguments.name, arguments.output)
    print(
        'Next, how far its rotations may be off: python3 -m fsanet_ros.tools.fit_uncertainty '
        f'--root {arguments.data} --weights {arguments.name} --folder {arguments.output}'
    )
    return 0


def _write(trainer: Trainer, name: str, folder: Path) -> None:
    """Write the averaged network."""
    from fsanet_ros.fsanet.export import write_weights

    recipe = trainer.recipe
    description = Description(
        name=name,
        crop_scale=recipe.crop_scale,
        pixel_mean=recipe.pixel_mean,
        pixel_scale=recipe.pixel_scale,
    )
    difference = write_weights(trainer.average, description, folder)
    print(f'{folder}/{name}.onnx and .safetensors agree to {difference:.1e} degrees')


if __name__ == '__main__':
    raise SystemExit(main())

"""Train FSA-Net and write weights: safetensors for PyTorch, ONNX for everything else."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from fsanet_ros.learning.faces import load_aflw_faces, split
from fsanet_ros.learning.recipe import load_recipe
from fsanet_ros.learning.scores import Scores


def main(argv: list[str] | None = None) -> int:
    """Run a training from the command line; it continues where the last one stopped."""
    parser = argparse.ArgumentParser(prog='train', description=__doc__)
    parser.add_argument('--recipe', default='aflw', help='a YAML file, or the name of one')
    parser.add_argument('--data', type=Path, default=Path('../shared/data/aflw_faces'))
    parser.add_argument('--output', type=Path, default=Path('runs/aflw'), help='folder')
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
    return 0


if __name__ == '__main__':
    raise SystemExit(main())

"""Train FSA-Net and write weights: safetensors for PyTorch, ONNX for everything else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fsanet_ros.files.output_checks import check_folder
from fsanet_ros.research.arguments import positive, weights_name
from fsanet_ros.research.datasets.faces import LabelledFaces, joined, load_turned_away
from fsanet_ros.research.evaluation.scores import Scores
from fsanet_ros.research.training.recipe import RECIPES, Recipe, load_recipe
from fsanet_ros.research.training.training_data import Sources, load_training
from fsanet_ros.tools.command_line import command_parser, fail, interrupted, note

if TYPE_CHECKING:
    from fsanet_ros.network.fusion import Network
    from fsanet_ros.research.training.training_loop import Trainer

# The thread that makes batches keeps the interpreter no longer than that from the one that trains:
# a tenth more steps a second than with Python's 5 ms.
SWITCH_S = 5e-4
DEFAULT_FOLDERS = {'aflw': Path('../shared/data/aflw_faces')}
# How to get each set of faces; more in docs/datasets.md.
HOW_TO_GET = {
    'aflw': '"./run data aflw" makes it of AFLW (research use)',
    'rendered': '"./run data head-model" and "./run render" make it, free for any use',
    '300w_lp': 'get 300W-LP from its authors (research use); it is read as it is',
    'biwi': 'get BIWI from its authors (research use), then "./run boxes biwi"',
    'csv': '"./run data own" makes it of your pictures and videos',
    'pointing04': "get Pointing'04 (any use); it is read as it is",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a training from the command line; it continues where the last one stopped."""
    arguments = _parser().parse_args(argv)
    sys.setswitchinterval(SWITCH_S)
    try:
        recipe = load_recipe(arguments.recipe)
        return _train(recipe, arguments)
    except KeyboardInterrupt:
        return interrupted('train', '; the same command goes on from the last checkpoint')
    except (ValueError, OSError, ImportError) as error:
        return fail('train', error)


def _parser() -> argparse.ArgumentParser:
    names = ', '.join(sorted(path.stem for path in RECIPES.glob('*.yaml')))
    parser = command_parser('train', __doc__)
    parser.add_argument(
        '--recipe', default='aflw', help=f'a YAML file, or the name of one that is here: {names}'
    )
    parser.add_argument(
        '--root', '--data', dest='data', type=Path, help="the folder of the recipe's data set"
    )
    parser.add_argument(
        '--also',
        type=_named_folder,
        action='append',
        default=[],
        metavar='NAME=FOLDER',
        help="of the recipe's further sets; may be given several times, rendered=FOLDER too",
    )
    parser.add_argument(
        '--teacher',
        type=Path,
        action='append',
        default=[],
        metavar='FILE',
        help='that labels faces, ONNX; several times for labels: teachers',
    )
    parser.add_argument(
        '--start', metavar='WEIGHTS', help='go on from these weights: a name or a .safetensors file'
    )
    parser.add_argument(
        '-o', '--output', type=Path, metavar='DIR', help='folder; default: runs/RECIPE'
    )
    parser.add_argument('--name', type=weights_name, help='of the weights; default: fsanet_RECIPE')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda')
    parser.add_argument(
        '--limit',
        type=positive,
        metavar='N',
        help='train on N samples only, to see whether all works (output: runs/RECIPE_limited)',
    )
    parser.add_argument('--validate-every', type=positive, default=2000, help='steps')
    parser.add_argument('--checkpoint-every', type=positive, default=500, help='steps')
    parser.add_argument('--tensorboard', action='store_true', help='write TensorBoard files too')
    return parser


def _named_folder(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition('=')
    if not (equals and name and folder):
        raise argparse.ArgumentTypeError(f'{text!r} is no NAME=FOLDER, such as rendered=heads')
    return name, Path(folder)


def _train(recipe: Recipe, arguments: argparse.Namespace) -> int:
    from fsanet_ros.research.training.training_log import TrainingLog
    from fsanet_ros.research.training.training_loop import Trainer, train

    label = Path(arguments.recipe).stem
    name = arguments.name or f'fsanet_{label}'
    limited = '_limited' if arguments.limit else ''
    folder = arguments.output or Path('runs') / f'{label}{limited}'
    data = _folder_of(recipe, arguments)
    check_folder(folder)
    trainer = Trainer(recipe, arguments.device)
    if arguments.start:
        # Before the labels are made, which takes minutes.
        trainer.start_from(arguments.start)
    training, validation = _load(recipe, data, folder, arguments)
    recipe = recipe.for_faces(len(training))
    if arguments.limit:
        recipe = _limited(recipe, arguments.limit)
    trainer.recipe = recipe
    if trainer.resume(folder):
        note(arguments, f'continuing at step {trainer.step} of {recipe.steps}')
    note(arguments, f'{len(training)} faces to train on, {len(validation)} kept aside')
    log = TrainingLog(folder, trainer.step, arguments.tensorboard)

    def report(step: int, scores: Scores) -> None:
        note(arguments, f'\nstep {step}: {scores}')
        log.report(step, scores)

    scores = train(
        trainer,
        training,
        validation,
        folder,
        arguments.validate_every,
        report,
        log.watch,
        arguments.checkpoint_every,
    )
    log.close()
    if scores is not None:
        note(arguments, f'kept aside: {scores}')
    rendered = [data] if recipe.data == 'rendered' else _further(arguments).get('rendered', [])
    network = _finished(trainer, training, rendered)
    difference = _write(network, recipe, name, folder)
    note(arguments, f'{folder}/{name}.onnx and .safetensors agree to {difference:.1e} degrees')
    if recipe.data == 'aflw':
        note(
            arguments,
            'Next, how far its rotations may be off: python3 -m fsanet_ros.tools.fit_uncertainty '
            f'--root {data} --weights {name} --folder {folder}',
        )
    return 0


def _further(arguments: argparse.Namespace) -> dict[str, list[Path]]:
    folders: dict[str, list[Path]] = {}
    for name, folder in arguments.also:
        folders.setdefault(name, []).append(folder)
    return folders


def _folder_of(recipe: Recipe, arguments: argparse.Namespace) -> Path:
    default = DEFAULT_FOLDERS.get(recipe.data)
    if arguments.data is not None:
        return Path(arguments.data)
    if default is not None and default.is_dir():
        return default
    further = ''.join(f'; {name}: {HOW_TO_GET[name]}' for name in recipe.also)
    raise ValueError(
        f'the recipe {arguments.recipe} trains on {recipe.data}: {HOW_TO_GET[recipe.data]}'
        f'{further}. Then name the folder: --root DIR. With no data at all: '
        'docs/tutorials/train_your_own.md'
    )


def _limited(recipe: Recipe, samples: int) -> Recipe:
    return replace(
        recipe,
        samples=min(samples, recipe.samples),
        warmup_steps=min(samples // recipe.batch_size // 4, recipe.warmup_steps),
        error_head_samples=min(samples, recipe.error_head_samples),
    )


def _load(
    recipe: Recipe, data: Path, folder: Path, arguments: argparse.Namespace
) -> tuple[LabelledFaces, LabelledFaces]:
    if not data.is_dir():
        raise FileNotFoundError(
            f'{data} is no folder: expected that of {recipe.data}. {HOW_TO_GET[recipe.data]}'
        )
    sources = Sources(data, _further(arguments), arguments.teacher, cache=folder)
    return load_training(recipe, sources)


def _finished(trainer: Trainer, training: LabelledFaces, rendered: Sequence[Path]) -> Network:
    """Return the averaged network, with an error head if the recipe has one."""
    from fsanet_ros.network.fsanet import FSANet
    from fsanet_ros.research.training.error_head_training import with_error_head

    network = trainer.average.cpu()
    if not trainer.recipe.error_head_samples or not isinstance(network, FSANet):
        return network
    turned_away = joined(map(load_turned_away, rendered)) if rendered else None
    return with_error_head(network, trainer.recipe, training, turned_away, trainer.head)


def _write(network: Network, recipe: Recipe, name: str, folder: Path) -> float:
    from fsanet_ros.network.onnx_export import write_weights
    from fsanet_ros.research.training.training_loop import describe

    return write_weights(network, describe(recipe, name), folder)


if __name__ == '__main__':
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""`anon-ros train plates`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anon_ros.cli.options import DONE, command
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from anon_ros.training.body_samples import BodySource

train = typer.Typer(no_args_is_help=True, help='Train the networks that anon_ros ships.')


def plates(
    data: Annotated[Path, typer.Argument(help='A folder with train.json and its frames.')],
    out: Annotated[Path, typer.Argument(help='Where the .onnx goes; checkpoints lie beside.')],
    *,
    steps: Annotated[int, typer.Option(min=1, help='Steps of the optimizer.')] = 6000,
    seed: Annotated[int, typer.Option(min=0, help='Seed of weights and samples.')] = 0,
    resume: Annotated[bool, typer.Option(help='Go on from the last checkpoint.')] = False,
) -> int:
    """Train the licence-plate detector; needs torch (the extra `gan`)."""
    from anon_ros.training.plates import train_plates

    train_plates(data, out, steps=steps, seed=seed, resume=resume, progress=print)
    return DONE


def face_gan(
    data: Annotated[Path, typer.Argument(help='A folder with faces.json and its crops.')],
    out: Annotated[Path, typer.Argument(help='Where the .safetensors goes; the rest beside it.')],
    *,
    steps: Annotated[int, typer.Option(min=1, help='Steps of the optimizers.')] = 4200,
    warm_up: Annotated[int, typer.Option(min=0, help='Steps without a critic.')] = 400,
    batch: Annotated[int, typer.Option(min=4, help='Samples a step.')] = 16,
    seed: Annotated[int, typer.Option(min=0, help='Seed of weights and samples.')] = 0,
    resume: Annotated[bool, typer.Option(help='Go on from the last checkpoint.')] = False,
) -> int:
    """Train the generator of faces; needs torch (the extra `gan`)."""
    from anon_ros.training.face_gan import train_face_gan
    from anon_ros.training.gan_run import Recipe

    recipe = Recipe(steps=steps, warm_up=warm_up, batch=batch)
    train_face_gan(data, out, recipe, seed=seed, resume=resume, progress=print)
    return DONE


def body_gan(
    data: Annotated[Path, typer.Argument(
        help="A folder with people.json and rendered people, or a JSON in COCO's format.")],
    out: Annotated[Path, typer.Argument(help='Where the .safetensors goes; the rest beside it.')],
    *,
    backgrounds: Annotated[Path | None, typer.Option(
        help='For rendered people: a folder of street frames (.jpg) to set them into.')] = None,
    images: Annotated[Path | None, typer.Option(
        help='For COCO: the folder of its images; else where COCO has it.')] = None,
    steps: Annotated[int, typer.Option(min=1, help='Steps of the optimizers.')] = 2400,
    warm_up: Annotated[int, typer.Option(min=0, help='Steps without a critic.')] = 1700,
    batch: Annotated[int, typer.Option(min=4, help='Samples a step.')] = 16,
    seed: Annotated[int, typer.Option(min=0, help='Seed of weights and samples.')] = 0,
    resume: Annotated[bool, typer.Option(help='Go on from the last checkpoint.')] = False,
) -> int:
    """Train the generator of bodies; needs torch (the extra `gan`)."""
    from anon_ros.training.body_gan import body_recipe, train_body_gan

    source, shown = _body_sources(data, backgrounds, images)
    train_body_gan(source, shown, out, body_recipe(steps, warm_up, batch), seed=seed,
                   resume=resume, progress=print)
    return DONE


def _body_sources(
    data: Path, backgrounds: Path | None, images: Path | None
) -> tuple[BodySource, BodySource]:
    """Return what to learn from and what is held out."""
    from anon_ros.datasets.body_crops import CocoBodies, images_beside
    from anon_ros.training.body_composites import open_composites
    from anon_ros.training.body_gan import BODY_SHAPE

    if not data.is_dir():
        return CocoBodies.open(data, images or images_beside(data), BODY_SHAPE.size_hw)
    if backgrounds is None:
        raise UsageError('rendered people stand nowhere: name street frames with --backgrounds')
    return open_composites(data, backgrounds, BODY_SHAPE.size_hw)


train.command('plates')(command(plates))
train.command('face-gan')(command(face_gan))
train.command('body-gan')(command(body_gan))

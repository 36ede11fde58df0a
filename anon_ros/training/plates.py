# SPDX-License-Identifier: Apache-2.0
"""
Train the plate detector from scratch and export it.

After a quarter of the steps the network searches its own training frames, and what it wrongly
takes for plates there is shown more often from then on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from anon_ros.detection.letterbox import to_multiple
from anon_ros.detection.plates import decode
from anon_ros.training.ahead import made_ahead
from anon_ros.training.plate_frames import (
    hold_out,
    load_plate_frames,
    with_mistakes,
    with_overlooked,
)
from anon_ros.training.plate_loss import to_batch
from anon_ros.training.plate_network import (
    SIZE_MULTIPLE_PX,
    ExportedPlateNetwork,
    PlateNetwork,
)
from anon_ros.training.plate_run import Log, Run
from anon_ros.training.plate_samples import SampleMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.core.regions import Float32Array
    from anon_ros.training.plate_frames import PlateFrame

BATCH = 16
CHECKPOINT_S = 120.0
SEARCH_SIDE_PX = 1600
MISTAKEN_FROM = 0.2


def train_plates(
    data_dir: Path,
    out_path: Path,
    *,
    steps: int,
    seed: int = 0,
    resume: bool = False,
    is_trial: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
) -> Path:
    """
    Train on data_dir/train.json and write the network to out_path (ONNX); return that path.

    Beside it lie the checkpoint (.pt) and the log (.csv). With resume the checkpoint's run goes
    on, to the same weights that an uninterrupted one reaches on the same machine.
    is_trial: leave out the frames that `hold_out` sets apart, to choose steps and thresholds by.
    progress: called with the steps done, all steps, and the loss.
    Raises InputError for data or a checkpoint that cannot be read, UsageError for a checkpoint
    of another seed.
    """
    frames = with_overlooked(load_plate_frames(data_dir, 'train'))
    frames = hold_out(frames)[0] if is_trial else frames
    out_path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = out_path.with_suffix('.pt')
    run = Run.start(seed)
    if resume and checkpoint.exists():
        run.load(checkpoint, seed)
    saved_s = time.monotonic()
    with Log(out_path.with_suffix('.csv'), run.step) as log:
        for losses in _learn(run, frames, steps, seed):
            log.write(run.step, losses)
            if progress is not None:
                progress(run.step, steps, sum(losses))
            if time.monotonic() - saved_s > CHECKPOINT_S:
                run.save(checkpoint, seed)
                saved_s = time.monotonic()
    run.save(checkpoint, seed)
    export_onnx(run.average, out_path)
    return out_path


def _learn(
    run: Run, frames: Sequence[PlateFrame], steps: int, seed: int
) -> Iterator[tuple[float, float]]:
    """Do the remaining steps; yield the losses of each."""
    for images, targets in batches(SampleMaker(frames, seed), run.step, steps // 4):
        yield run.learn(images, targets, steps)
    # A trial that goes on with all frames searches all of them.
    if run.mistaken_xyxy is None or len(run.mistaken_xyxy) != len(frames):
        run.mistaken_xyxy = [search(run.average, frame) for frame in frames]
    harder = [with_mistakes(*pair) for pair in zip(frames, run.mistaken_xyxy, strict=True)]
    for images, targets in batches(SampleMaker(harder, seed), run.step, steps):
        yield run.learn(images, targets, steps)


def batches(
    maker: SampleMaker, first_step: int, steps: int
) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Return one batch for each step, the next one being made while the last is learnt."""

    def make(step: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        return to_batch([maker.make(step, number) for number in range(BATCH)])

    return made_ahead(make, first_step, steps)


@torch.no_grad()
def search(network: PlateNetwork, frame: PlateFrame) -> Float32Array:
    """Return (N, 4) px: whatever may be a plate in the frame, to the network's mind."""
    scale = SEARCH_SIDE_PX / max(frame.image_bgr.shape[:2])
    image = torch.from_numpy(to_multiple(frame.image_bgr, scale, SIZE_MULTIPLE_PX))
    cells = ExportedPlateNetwork(network)(image.permute(0, 3, 1, 2).float())
    boxes, _ = decode(cells[0].numpy(), MISTAKEN_FROM)
    return np.asarray(boxes / scale, np.float32)


def export_onnx(network: PlateNetwork, out_path: Path) -> None:
    """Write the network as ONNX: input `images` (B, 3, h, w), output `cells` (B, 5, h/8, w/8)."""
    size = SIZE_MULTIPLE_PX * 4
    torch.onnx.export(
        ExportedPlateNetwork(network).eval(), (torch.zeros(1, 3, size, size),), str(out_path),
        dynamo=False, opset_version=17, input_names=['images'], output_names=['cells'],
        dynamic_axes={'images': {0: 'batch', 2: 'height', 3: 'width'},
                      'cells': {0: 'batch', 2: 'rows', 3: 'columns'}},
    )

# SPDX-License-Identifier: Apache-2.0
"""
The realistic method: people who do not exist, painted over regions that are hidden already.

All bodies of all frames go through their generator in one batch, then all faces, which see the
bodies that were painted. Whoever cannot be painted keeps the classic method, and is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.core.regions import Kind
from anon_ros.gan.canvas import Canvas
from anon_ros.gan.stitching import stitch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anon_ros.core.interfaces import Hidden, Synthesis
    from anon_ros.core.regions import IntArray
    from anon_ros.gan.painters import Painter, Sitter

PAINTING_ORDER = (Kind.BODY, Kind.FACE)


class Realistic:
    """
    Paints over the regions of the kinds that it is asked for. Safe from several threads.

    A plate is never painted: an invented one may be somebody's.
    """

    def __init__(self, kinds: Sequence[Kind], painters: Mapping[Kind, Painter]) -> None:
        """Take the kinds whose method this is, and a painter for each that can be painted."""
        self._kinds = tuple(kinds)
        self._painters = dict(painters)

    def synthesize(self, hidden: Sequence[Hidden]) -> list[Synthesis]:
        """
        Paint over the regions of several frames; what is not painted over stays as it is.

        Raises ModelError where a network fails.
        """
        canvases = [Canvas(each, self._painters) for each in hidden]
        for kind in PAINTING_ORDER:
            if kind in self._painters:
                self._paint(kind, canvases)
        for canvas in canvases:
            for kind in self._kinds:
                if kind not in self._painters:
                    _keep_all(canvas, kind)
        return [canvas.synthesis() for canvas in canvases]

    def _paint(self, kind: Kind, canvases: Sequence[Canvas]) -> None:
        """Paint the regions of a kind, the largest last."""
        painter = self._painters[kind]
        sitters = [sitter for canvas in canvases for sitter in _seated(canvas, kind, painter)]
        images = painter.draw(sitters)
        order = sorted(range(len(sitters)), key=lambda i: _area_px(sitters[i]))
        for sitter, image in ((sitters[i], images[i]) for i in order):
            if image is None:
                _keep(sitter.canvas, sitter.index, 'no memory is left on the device')
            else:
                patch = stitch(image, sitter.crop)
                sitter.canvas.paint(sitter.index, patch, sitter.crop.rect)
        for canvas in canvases:
            canvas.show_painted()


def _seated(canvas: Canvas, kind: Kind, painter: Painter) -> Iterator[Sitter]:
    """Yield what can be painted; count what cannot."""
    for index in _indices(canvas, kind):
        if canvas.hole(index).rect.is_empty:
            canvas.keep_classic(index, 'outside of the image')
            continue
        sitter = painter.seat(canvas, index) if canvas.has_colours else 'no colours to paint in'
        if isinstance(sitter, str):
            _keep(canvas, index, sitter)
        else:
            yield sitter


def _keep_all(canvas: Canvas, kind: Kind) -> None:
    never = kind not in PAINTING_ORDER
    for index in _indices(canvas, kind):
        canvas.keep_classic(index, 'never synthesized' if never else 'its generator is not loaded')


def _keep(canvas: Canvas, index: int, reason: str) -> None:
    """Leave a region as it is: as a part of somebody who was painted, or with a classic method."""
    if canvas.is_covered(index):
        canvas.is_painted[index] = True
    else:
        canvas.keep_classic(index, reason)


def _indices(canvas: Canvas, kind: Kind) -> IntArray:
    return (canvas.regions.kinds == int(kind)).nonzero()[0]


def _area_px(sitter: Sitter) -> int:
    return sitter.crop.rect.width * sitter.crop.rect.height

# SPDX-License-Identifier: Apache-2.0
"""What the review page is served: its own files, JSON, and pictures by number; never by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from anon_ros.errors import AnonError, FrameError, UsageError
from anon_ros.review.commands import parse_command
from anon_ros.review.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from anon_ros.review.session import Session

ASSETS = Path(__file__).parent / 'assets'
PAGE = 'index.html'
_TYPES = {
    '.css': 'text/css; charset=utf-8', '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml',
}
_MOST_BINS, _THUMBNAIL_PX = 2000, 240


def build_application(session: Session, *, token: str, port: int) -> ASGIApp:
    """
    Return the application of one review.

    token: what every request for data has to carry. port: the one on which it is reached.
    """
    assets = load_assets()

    async def asset(request: Request) -> Response:
        # A name that is no key is no file: nothing of it ever reaches the file system.
        found = assets.get(request.path_params.get('name', PAGE))
        if found is None:
            return JSONResponse({'error': 'there is no such page'}, 404)
        return Response(found[0], media_type=found[1])

    app = Starlette(routes=[
        Route('/', asset), Route('/assets/{name}', asset), *_Api(session).routes(),
    ])
    app.router.redirect_slashes = False
    return Guard(app, token=token, port=port)


def load_assets() -> dict[str, tuple[bytes, str]]:
    """Return the page's files, by name: content and type."""
    return {
        path.name: (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(ASSETS.iterdir()) if path.suffix in _TYPES
    }


class _Api:
    """What may be asked of a session over HTTP."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def routes(self) -> list[Route]:
        frame = '/api/streams/{stream:int}/frames/{frame:int}'
        return [
            Route('/api/session', self.overview), Route('/api/queue', self.queue),
            Route('/api/streams/{stream:int}/timeline', self.timeline),
            Route('/api/streams/{stream:int}/tracks/{track:int}', self.track),
            Route(frame, self.frame),
            Route(frame + '/{side}.jpg', self.picture),
            Route('/api/edits', self.edit, methods=['POST']),
            Route('/api/undo', self.undo, methods=['POST']),
            Route('/api/redo', self.redo, methods=['POST']),
            Route('/api/streams/{stream:int}/tracks/{track:int}/follow', self.follow,
                  methods=['POST']),
        ]

    async def overview(self, _: Request) -> Response:
        return await _answer(self._session.overview)

    async def queue(self, _: Request) -> Response:
        return await _answer(self._session.queue)

    async def timeline(self, request: Request) -> Response:
        bins = _number(request, 'bins', _MOST_BINS)
        return await _answer(self._session.timeline, request.path_params['stream'], bins)

    async def track(self, request: Request) -> Response:
        where = request.path_params
        return await _answer(self._session.track, where['stream'], where['track'])

    async def frame(self, request: Request) -> Response:
        where = request.path_params
        return await _answer(self._session.frame, where['stream'], where['frame'])

    async def picture(self, request: Request) -> Response:
        where = request.path_params
        if where['side'] not in {'before', 'after'}:
            return JSONResponse({'error': 'there is no such picture'}, 404)
        width = _THUMBNAIL_PX if request.query_params.get('size') == 'small' else 0
        is_before = where['side'] == 'before'

        def make() -> bytes:
            return self._session.picture(
                where['stream'], where['frame'], before=is_before, width=width)

        return await _answer(make)

    async def edit(self, request: Request) -> Response:
        body = await request.body()
        return await _answer(lambda: self._session.act(parse_command(body)))

    async def undo(self, _: Request) -> Response:
        return await _answer(lambda: self._session.turn(is_undone=True))

    async def redo(self, _: Request) -> Response:
        return await _answer(lambda: self._session.turn(is_undone=False))

    async def follow(self, request: Request) -> Response:
        where = request.path_params
        return await _answer(self._session.follow, where['stream'], where['track'])


async def _answer(function: Callable[..., Any], *arguments: object) -> Response:
    """Run what may take a while beside the loop; say in words what cannot be done."""
    try:
        found = await run_in_threadpool(function, *arguments)
    except UsageError as error:
        return JSONResponse({'error': str(error)}, 409)
    except FrameError as error:
        return JSONResponse({'error': str(error)}, 404)
    except AnonError as error:
        return JSONResponse({'error': str(error)}, 500)
    if isinstance(found, bytes):
        return Response(found, media_type='image/jpeg')
    return JSONResponse(found)


def _number(request: Request, name: str, most: int) -> int:
    text = request.query_params.get(name, '')
    return min(int(text[:9]), most) if text.isascii() and text.isdigit() else most

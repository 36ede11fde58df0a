# SPDX-License-Identifier: Apache-2.0
"""
Who may talk to the review page: nobody but a page of its own, with the token.

A browser lends its network to every page that is open in it. So whatever comes is refused unless
it names this very host (else a name that was bound to loopback by DNS would do), comes from this
page or from none, and carries the token, which stands in no cookie: cookies go to every port.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
API = '/api/'
_LOOPBACK = ('127.0.0.1', 'localhost', '[::1]')
_METHODS = frozenset({'GET', 'HEAD', 'POST'})
_OWN_SITES = frozenset({'same-origin', 'none'})
HEADERS = {
    'content-security-policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    'cache-control': 'no-store',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
}
"""On every answer: nothing is loaded from elsewhere, nothing is kept, nobody frames the page."""


class Guard:
    """ASGI middleware that refuses whatever is not the page's own."""

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        """Take the application, its token and the port on which it is reached."""
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(f'{name}:{port}' for name in _LOOPBACK)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope['type'] != 'http':
            return
        send = _with_headers(send)
        refused = self._refusal(scope)
        body = b'' if refused else await _read(receive)
        if body is None:
            refused = 413, 'the request is too large'
        if refused is not None:
            # Whoever is refused sends the rest of it to nobody.
            answer = JSONResponse({'error': refused[1]}, refused[0], {'connection': 'close'})
            await answer(scope, receive, send)
            return
        await self._app(scope, _replay(body or b'', receive), send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason of the first thing that is wrong with a request."""
        headers = _headers(scope)
        is_api, is_post = scope['path'].startswith(API), scope['method'] == 'POST'
        checks = (
            (scope['method'] in _METHODS, 405, 'this is never asked for'),
            (self._is_own_host(headers), 421, 'this host is not the review page'),
            (_is_own_page(headers), 403, 'another page asked for this'),
            (_is_small(headers.get('content-length', '0')), 413, 'the request is too large'),
            (not is_api or self._has_token(headers), 401,
             'the token is missing or wrong: open the address that was printed'),
            (not is_post or _is_json(headers), 415, 'only JSON is understood'),
        )
        return next(((status, reason) for is_well, status, reason in checks if not is_well), None)

    def _is_own_host(self, headers: dict[str, str]) -> bool:
        return headers.get('host', '').lower() in self._hosts

    def _has_token(self, headers: dict[str, str]) -> bool:
        scheme, _, given = headers.get('authorization', '').partition(' ')
        # Compared to the end, so that the time it takes tells nothing of where it differs.
        is_same = hmac.compare_digest(given.encode('utf-8', 'replace'), self._token)
        return scheme.lower() == 'bearer' and is_same


def _is_own_page(headers: dict[str, str]) -> bool:
    """Return whether a request comes from this page, or from no page at all."""
    own = f'http://{headers.get("host", "")}'.lower()
    is_own = headers.get('origin', own).lower() == own
    return is_own and headers.get('sec-fetch-site', 'none') in _OWN_SITES


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers; one that comes twice has both values, so that it fits nothing."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope['headers']:
        name, value = raw_name.decode('latin-1').lower(), raw_value.decode('latin-1')
        found[name] = f'{found[name]}, {value}' if name in found else value
    return found


def _is_small(length: str) -> bool:
    return length.isascii() and length.isdigit() and int(length[:12]) <= MAX_BODY_BYTES


def _is_json(headers: dict[str, str]) -> bool:
    kind = headers.get('content-type', '').partition(';')[0]
    return kind.strip().lower() == 'application/json'


async def _read(receive: Receive) -> bytes | None:
    """Return a body; None for one that goes on too long, whatever length it announced."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get('body', b'')
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get('more_body', False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def replayed() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {'type': 'http.request', 'body': body, 'more_body': False}

    return replayed


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message['type'] == 'http.response.start':
            own = {name.encode() for name in HEADERS}
            kept = [(name, value) for name, value in message.get('headers', [])
                    if name.lower() not in own]
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, 'headers': [*kept, *added]}
        await send(message)

    return guarded

# SPDX-License-Identifier: Apache-2.0
"""The review page on loopback, until somebody ends it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from anon_ros.errors import OutputError
from anon_ros.review.application import build_application

if TYPE_CHECKING:
    from collections.abc import Callable

    from anon_ros.review.session import Session

HOST = '127.0.0.1'
MOST_CONNECTIONS = 64
SHUTDOWN_S = 3


def serve(session: Session, *, token: str, port: int, started: Callable[[str], None]) -> None:
    """
    Serve a review on loopback until the process is interrupted.

    port: 0 for any that is free. started: called with the address, which holds the token in the
    part that no browser sends anywhere.
    Raises OutputError where the port is taken.
    """
    with listen(port) as listening:
        started(f'http://{HOST}:{listening.getsockname()[1]}/#{token}')
        make_server(session, token, listening).run(sockets=[listening])


def make_server(session: Session, token: str, listening: socket.socket) -> uvicorn.Server:
    """Return the server of a review, for a socket that listens already."""
    port = listening.getsockname()[1]
    return uvicorn.Server(uvicorn.Config(
        build_application(session, token=token, port=port), log_level='warning',
        access_log=False, lifespan='off', ws='none', server_header=False, date_header=False,
        proxy_headers=False, limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_S,
    ))


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; raise OutputError where the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise OutputError(f'port {port} cannot be used: {error.strerror}; name another') from error
    return listening

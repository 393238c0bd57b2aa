"""The web server of the live view: viser, kept to this machine and to its own page."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import viser
import websockets.asyncio.server
from websockets.http11 import Request, Response

DEFAULT_HOST, DEFAULT_PORT = '127.0.0.1', 8080
_PORTS = 20  # that are tried, one after the other


class ViewError(RuntimeError):
    """The live view cannot start; the text says why and what to do."""


class ViewServer(viser.ViserServer):
    """A viser server that nobody can ask to publish itself through a tunnel, and that is quiet."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Refuse: pictures of people stay here. See ``--host`` for other machines."""
        return None

    def stop(self) -> None:
        """Disconnect all browsers and end the server."""
        with contextlib.redirect_stdout(io.StringIO()):  # viser says that it has stopped
            super().stop()


def open_server(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> ViewServer:
    """
    Start the web server, in a thread of its own.

    :param host: the address to listen at; only this machine can reach the default
    :param port: the first to try; 0: any that is free
    :raises ViewError: if it cannot listen there
    """
    port = _free_port(host, port)
    # viser prints a table with an address that is wrong for 0.0.0.0.
    with _own_page_only(), contextlib.redirect_stdout(io.StringIO()):
        return ViewServer(host=host, port=port, label='fsanet_ros', verbose=False)


def url_of(server: ViewServer) -> str:
    """Return the address to type into a browser."""
    host = server.get_host()
    if host in ('0.0.0.0', '::', ''):
        host = socket.gethostname()
    return (
        f'http://[{host}]:{server.get_port()}'
        if ':' in host
        else (f'http://{host}:{server.get_port()}')
    )


def is_own_page(host: str | None, origin: str | None) -> bool:
    """
    Tell whether a request comes from the view's own page, by its headers Host and Origin.

    Browsers let every page that somebody visits connect to a web socket on their machine: such
    a page would see the camera's pictures. Names that are not this machine's are refused too, as
    a foreign name can be made to lead here.
    """
    if host is None:
        return False
    try:
        name = (urlsplit(f'//{host}').hostname or '').rstrip('.')
        if origin is not None and urlsplit(origin).netloc != host:
            return False
    except ValueError:  # half an address
        return False
    machine = socket.gethostname().lower()
    short = machine.partition('.')[0]
    return name in ('localhost', machine, short, f'{short}.local') or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _free_port(host: str, port: int) -> int:
    """Return the first port that can be listened at: viser would try for ever."""
    reason: Exception | None = None
    for candidate in range(port, port + (_PORTS if port else 1)):
        try:
            with socket.create_server((host, candidate), family=_family(host)) as tried:
                return int(tried.getsockname()[1])
        except (OSError, OverflowError) as error:
            reason = error
    raise ViewError(
        f'the view cannot listen at {host}, ports {port} to {port + _PORTS - 1}: {reason}; give '
        'an address of this machine with --host, or another --port'
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ':' in host else socket.AF_INET


@contextlib.contextmanager
def _own_page_only() -> Iterator[None]:
    """Have the server that is started meanwhile refuse the pages of others; viser does not."""
    serve = websockets.asyncio.server.serve

    def checking_serve(*arguments: Any, process_request: Any, **options: Any) -> Any:
        return serve(*arguments, process_request=_checked(process_request), **options)

    websockets.asyncio.server.serve = checking_serve
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve


def _checked(
    process_request: Callable[[Any, Request], Response | None],
) -> Callable[[Any, Request], Response | None]:
    def process(connection: Any, request: Request) -> Response | None:
        if not is_own_page(request.headers.get('Host'), request.headers.get('Origin')):
            refusal: Response = connection.respond(
                403, 'Open the view by the address of this machine, or as localhost.\n'
            )
            return refusal
        return process_request(connection, request)

    return process

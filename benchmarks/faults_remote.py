"""Faults of servers (row 29): slow ones, ones that send too much, ones that send elsewhere."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

from benchmarks.faults_inputs import Case

__all__ = ["servers"]

_SECONDS = 600  # that a server drips at most


def servers() -> Iterator[Case]:
    """Yield the cases, each with a server on the loopback that lives as long as this program."""
    for says, answer, line in (
        ("a body at a byte a second", _drip_body, "too slow"),
        ("headers at a line a second", _drip_headers, "the server does not answer in time"),
        ("a body without end", _endless, "Content-Length"),
        ("a body of 10 GB", _large, "expected an archive"),
        ("compressed though nobody asked", _compressed, "sends it compressed"),
        ("sent to http://[::1", _astray, "no address"),
    ):
        # A name whose value can only be asked of a running server.
        yield Case(29, says, f"info {_serve(answer)}/x.hpz", line, environment={"no_proxy": "*"})
    yield Case(29, "the address http://[::1", "info http://[::1", "expected an address")


def _serve(answer: Callable[[socket.socket], None]) -> str:
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            answer(connection)

    def listen() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _head(*lines: str, code: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code}", *lines, "", ""]).encode()


def _drip_body(connection: socket.socket) -> None:
    connection.sendall(_head("Content-Length: 1000"))
    for _ in range(_SECONDS):
        connection.sendall(b"x")
        time.sleep(1)


def _drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(_SECONDS):
        connection.sendall(f"X-{number}: y\r\n".encode())
        time.sleep(1)


def _endless(connection: socket.socket) -> None:
    connection.sendall(_head("Transfer-Encoding: chunked"))
    while True:
        connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def _large(connection: socket.socket) -> None:
    connection.sendall(_head("Content-Length: 10000000000") + bytes(100_000))


def _compressed(connection: socket.socket) -> None:
    data = gzip.compress(bytes(10**7))
    connection.sendall(_head("Content-Encoding: gzip", f"Content-Length: {len(data)}") + data)


def _astray(connection: socket.socket) -> None:
    connection.sendall(_head("Location: http://[::1", "Content-Length: 0", code="302 Found"))

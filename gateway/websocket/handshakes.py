"""The unfinished handshakes of all servers that share one limit."""

from collections import Counter
from math import inf

import trio

from gateway.websocket.socket_stream import SocketStream

# At the limit, handshakes older than SPARED_S are cut. Then the server waits ROOM_S for a handshake to end.
SPARED_S = 2.0
ROOM_S = 0.1


class Handshake:
    """A connection that was accepted and whose request is not read yet.

    `stream` is set shortly after the connection was accepted. `since` is when we began to wait for the peer,
    and infinity while the peer waits for us.
    """

    __slots__ = ("since", "stream")

    def __init__(self) -> None:
        self.stream: SocketStream | None = None
        self.since = trio.current_time()

    @property
    def waits_for_us(self) -> bool:
        return self.since == inf

    def wait_for_us(self) -> None:
        self.since = inf

    def wait_for_peer(self) -> None:
        self.since = trio.current_time()


class Handshakes:
    def __init__(self) -> None:
        self._live: set[Handshake] = set()
        self._waiting = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._live)

    def begin(self) -> Handshake:
        handshake = Handshake()
        self._live.add(handshake)
        return handshake

    def end(self, handshake: Handshake) -> None:
        """Forget a handshake. A second call of `end` changes nothing."""
        if handshake in self._live:
            self._live.remove(handshake)
            self._waiting.unpark_all()

    async def make_room(self, failures: Counter[str]) -> None:
        """Cut slow handshakes, so that they do not starve connections in the accept queue.

        Then wait briefly for a handshake to end.
        """
        now = trio.current_time()
        for handshake in tuple(self._live):
            if now - handshake.since > SPARED_S and handshake.stream is not None:
                failures["slow_while_others_waited"] += 1
                handshake.stream.abort()
                self.end(handshake)
        with trio.move_on_after(ROOM_S):
            await self._waiting.park()

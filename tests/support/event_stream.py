"""A client that reads server-sent events as their specification says, over a plain socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import msgspec
import trio


class EventStream:
    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""
        self.last_id = ""
        self.ids: list[str] = []

    async def open(self, path: str, headers: dict[str, str]) -> None:
        request = h11.Request(method="GET", target=path, headers=[("Host", "x"), *headers.items()])
        await self._stream.send_all(self._http.send(request) or b"")
        response = await self._event()
        assert isinstance(response, h11.Response)
        assert response.status_code == 200
        assert (b"content-type", b"text/event-stream") in response.headers

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event and its data. A block without data changes only `last_id`."""
        kind, data = "", ""
        while True:
            field, _, value = (await self.line()).partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                data = value
            elif not field and data:
                return kind, msgspec.json.decode(data)

    async def line(self) -> str:
        while b"\n" not in self._text:
            event = await self._event()
            assert isinstance(event, h11.Data), event
            self._text += bytes(event.data)
        raw, _, self._text = self._text.partition(b"\n")
        line = raw.decode()
        if line.startswith("id: "):
            self.last_id = line.removeprefix("id: ")
            self.ids.append(self.last_id)
        return line

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some())
        return event


@asynccontextmanager
async def event_stream(port: int, path: str, headers: dict[str, str]) -> AsyncIterator[EventStream]:
    """Open a stream until the block ends."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as connection:
        opened = EventStream(connection)
        await opened.open(path, headers)
        yield opened

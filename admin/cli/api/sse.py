"""Read server-sent events, and resume after a break."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import msgspec
import trio

from admin.cli.api.client import Client
from admin.cli.api.errors import Busy, Refused, TryAgain
from admin.cli.api.output import warn

_SILENCE = httpx.Timeout(40, connect=10)
"""The server sends something every ten seconds."""
_PAUSES_S = (0.5, 1, 2, 5, 10)
_SEEN_MAX = 100_000
_SERVER_ERROR = 500


class _NoContent(Exception):  # noqa: N818  it is no error
    """The server has nothing more to send, now or later."""


class Block(msgspec.Struct, frozen=True):
    """One block of the stream. All members are empty in a block that has only comments."""

    kind: str = ""
    data: str = ""
    id: str = ""


class Seen:
    """The ids of the latest events, because a stream may repeat events after a break."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, id_: str) -> bool:
        """Return whether the id is new."""
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        if len(self._ids) > _SEEN_MAX:
            self._ids.popitem(last=False)
        return True


async def follow(client: Client, path: str, cursor: str, **query: Any) -> AsyncGenerator[Block]:
    """Yield the blocks of a stream; after a break, connect again with the last cursor.

    The stream ends with an answer 204. Raises Refused, and TryAgain if the first connection fails.
    """
    failures, connected = 0, False
    while True:
        try:
            async with aclosing(_read(client, path, cursor, query)) as blocks:
                async for block in blocks:
                    connected = True
                    if block.kind != "end":
                        failures = 0
                    yield block
                    cursor = block.id or cursor
            pause_s: float = _PAUSES_S[failures]
        except _NoContent:
            return
        except (TryAgain, Refused) as error:
            if not connected or (isinstance(error, Refused) and error.status < _SERVER_ERROR):
                raise
            pause_s = error.after_s if isinstance(error, Busy) else _PAUSES_S[failures]
            warn(f"{error}; connecting again")
        failures = min(failures + 1, len(_PAUSES_S) - 1)
        await trio.sleep(pause_s)


async def parse(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Block]:
    """Yield the blocks in these bytes. A block that the end of the stream cuts off is dropped."""
    # Only a line feed ends a line here: httpx also splits lines at characters that texts may contain.
    rest, members = b"", dict[str, str]()
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if not text:
                yield Block(members.get("event", ""), members.get("data", ""), members.get("id", ""))
                members = {}
            name, _, value = text.partition(":")
            members[name] = value.removeprefix(" ")


async def _read(client: Client, path: str, cursor: str, query: dict[str, Any]) -> AsyncGenerator[Block]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": cursor} if cursor else {})
    async with client.stream(path, _SILENCE, headers, **query) as response:
        if response.status_code == httpx.codes.NO_CONTENT:
            raise _NoContent
        async with aclosing(parse(response.aiter_bytes())) as blocks:
            async for block in blocks:
                yield block

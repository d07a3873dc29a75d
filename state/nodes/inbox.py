"""A node's inbox: wake-ups from other processes. Losing one costs seconds, never a fact.

A bounded stream whose expiry the node renews with its heartbeat: where there is none, the node is gone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from state import keys
from state.redis.connection import Arg
from state.replies import check_replies
from state.store import Store

INBOX_MS = 9_000
"""Three heartbeats. Less than the 10 s after which a node is judged dead."""
KEPT = 10_000
READ_AT_ONCE = 500

_decode = msgspec.json.Decoder(dict[str, Any]).decode


async def send(store: Store, incarnation: str, message: Mapping[str, object]) -> bool:
    """Wake one node. False: it is gone."""
    command = _add(incarnation, msgspec.json.encode(message))
    return await store.execute(*command) is not None


async def broadcast_to(store: Store, incarnations: Sequence[str], message: Mapping[str, object]) -> int:
    """Send one message to several nodes; returns how many inboxes took it."""
    text = msgspec.json.encode(message)
    replies = await store.pipeline([_add(incarnation, text) for incarnation in incarnations])
    return sum(reply is not None for reply in check_replies(replies))


async def read(store: Store, incarnation: str, after: str, block_ms: int) -> list[tuple[str, dict[str, Any]]]:
    """Read what came after the message `after` ("0": all there is), waiting `block_ms` for the first.

    One that cannot be read comes as `{}`, so that its reader gets past it.
    """
    key = keys.inbox(incarnation)
    reply = await store.blocking(
        *("XREAD", "COUNT", READ_AT_ONCE, "BLOCK", block_ms, "STREAMS", key, after), timeout_s=block_ms / 1000
    )
    entries = reply[key.encode()] if reply else []
    return [(entry.decode(), _message(pairs[1])) for entry, pairs in entries]


def _message(text: bytes) -> dict[str, Any]:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return {}


def _add(incarnation: str, text: bytes) -> tuple[Arg, ...]:
    return ("XADD", keys.inbox(incarnation), "NOMKSTREAM", "MAXLEN", "~", KEPT, "*", "m", text)

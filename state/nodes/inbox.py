"""A node's inbox: a stream of wake-ups from other processes.

If a wake-up is lost, the work is delayed by seconds, and no fact is lost. The stream is bounded, and each
heartbeat of the node renews the expiry of the stream. A node without a stream is late or gone.

During a rolling deploy two versions read each other's messages. So the `kind` and the field names of a
message never change, and a new field has a default.
"""

from enum import Enum

import msgspec

from state import keys
from state.errors import StoreUnavailable
from state.nodes.nodes import INBOX_MS, is_known, list_nodes
from state.redis.connection import Arg
from state.store import Store

KEPT = 10_000
READ_AT_ONCE = 500


class _OfChargePoint(msgspec.Struct, frozen=True, tag_field="kind"):
    """A message to the session of one charge point.

    `member` is the attribute `member` of the charge point's `ChargePointKeys`.
    """

    member: str


class CommandQueued(_OfChargePoint, frozen=True, tag="command"):
    """A command waits in the charge point's list of pending commands."""


class SettingsChanged(_OfChargePoint, frozen=True, tag="settings"):
    """An operator changed the charge point's settings."""


class TraceChanged(_OfChargePoint, frozen=True, tag="trace"):
    """A trace of the charge point was started or stopped."""


class DisconnectReason(Enum):
    """Why a connection is closed. A message contains one of these values as a word."""

    OPERATOR = "disconnected by an operator"
    DELETED = "charge point deleted"


class Disconnect(_OfChargePoint, frozen=True, tag="disconnect"):
    """Close the charge point's connection."""

    reason: DisconnectReason


class Evict(msgspec.Struct, frozen=True, tag_field="kind", tag="evicted"):
    """Close the session `holder`, because a session of the node `by_node` has taken the lease from it.

    The receiver then sends `Evicted` to the node `by_node`. Both messages keep an old name as their tag,
    because other versions of csms read them.
    """

    holder: str
    by_node: str


class Evicted(msgspec.Struct, frozen=True, tag_field="kind", tag="evicted_done"):
    """The session `holder` is gone. A session of the receiving node has taken the lease from it."""

    holder: str


class TokenRevoked(msgspec.Struct, frozen=True, tag_field="kind", tag="token_revoked"):
    """Close the sessions that were opened with this token."""

    tenant: str
    token_id: str


class TokenRetired(msgspec.Struct, frozen=True, tag_field="kind", tag="token_retired"):
    """Close the sessions that were opened with this token alone (security profile 0)."""

    tenant: str
    token_id: str


class DeniedCertificatesChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="denied_certificates"):
    """A client certificate was denied, or is allowed again."""


class Drain(msgspec.Struct, frozen=True, tag_field="kind", tag="drain"):
    """Refuse new sessions, and close all sessions within `window_s` seconds.

    Without `window_s`, the gateway takes its own setting.
    """

    window_s: float | None = None


class DrainCancelled(msgspec.Struct, frozen=True, tag_field="kind", tag="drain_cancelled"):
    """Accept sessions again, and close no further sessions of a drain or a shedding."""


class Shed(msgspec.Struct, frozen=True, tag_field="kind", tag="shed"):
    """Close this share of the sessions within `window_s` seconds, so that they connect to other gateways."""

    percent: float
    window_s: float | None = None


class CommandChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="answer"):
    """The record of a command changed. The receiver is the admin process that submitted the command."""

    command: str


type ToSession = CommandQueued | SettingsChanged | TraceChanged | Disconnect
type ToGateway = Drain | DrainCancelled | Shed
type Message = (
    ToSession
    | ToGateway
    | Evict
    | Evicted
    | TokenRevoked
    | TokenRetired
    | DeniedCertificatesChanged
    | CommandChanged
)

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


async def send(store: Store, incarnation: str, message: Message) -> bool:
    """Put a message into one node's inbox. False means that the node was not woken: it is late or gone."""
    return await store.execute(*_add(incarnation, message)) is not None


async def wake(store: Store, incarnation: str, message: Message) -> bool:
    """Send a message even if the inbox of the node has expired, and return False if the node has left.

    An inbox expires if its node is late or dead, or if the server's clock was set forward. Returns True if
    the store is not available. That is safe, because nodes find changes within seconds even without a
    message.
    """
    try:
        if await send(store, incarnation, message):
            return True
        if not await is_known(store, incarnation):
            return False
        await store.step(
            "nodes/wake_late", (keys.inbox(incarnation),), (msgspec.json.encode(message), INBOX_MS, KEPT)
        )
    except StoreUnavailable:
        pass
    return True


async def broadcast(store: Store, message: Message) -> None:
    """Send a message to all gateways, and to nodes whose kind is unknown. This works on a full store."""
    to = [node.incarnation for node in await list_nodes(store) if node.kind != "admin"]
    text = msgspec.json.encode(message)
    await store.steps("nodes/broadcast", [((keys.inbox(node),), (text, KEPT)) for node in to])


async def read(store: Store, incarnation: str, after: str, block_ms: int) -> list[tuple[str, Message | None]]:
    """Read the messages after the id `after`, or all messages if `after` is "0".

    Waits up to `block_ms` for the first message. A message that cannot be read is returned as None with its
    id, so that the reader can skip it.
    """
    key = keys.inbox(incarnation)
    reply = await store.blocking(
        *("XREAD", "COUNT", READ_AT_ONCE, "BLOCK", block_ms, "STREAMS", key, after), timeout_s=block_ms / 1000
    )
    entries = reply[key.encode()] if reply else []
    return [(entry.decode(), _read_message(pairs[1])) for entry, pairs in entries]


def _read_message(text: bytes) -> Message | None:
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _add(incarnation: str, message: Message) -> tuple[Arg, ...]:
    key, text = keys.inbox(incarnation), msgspec.json.encode(message)
    return ("XADD", key, "NOMKSTREAM", "MAXLEN", "~", KEPT, "*", "m", text)

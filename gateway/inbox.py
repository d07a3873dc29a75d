"""Messages from other processes to this node. Each is a wake-up: losing one costs seconds, never a fact."""

from typing import Any, Literal

import structlog
import trio

from gateway.node import Node
from gateway.session import trace
from gateway.session.session import Session
from gateway.websocket.close_codes import Close
from state.errors import StateError
from state.nodes import inbox

log = structlog.get_logger()

BLOCK_MS = 5000
RETRY_S = 1.0

_CLOSINGS: dict[str, Close] = {"charge point deleted": Close.DELETED}
"""By what the admin API tells as its reason; any other is an operator's wish."""


async def read(node: Node) -> None:
    """Until cancelled."""
    after = "0"
    while True:
        try:
            messages = await inbox.read(node.store, node.incarnation, after, BLOCK_MS)
        except StateError:
            await trio.sleep(RETRY_S)
            continue
        except Exception:  # A wake-up that cannot be had must not end the sessions of this process.
            log.exception("inbox not read")
            await trio.sleep(RETRY_S)
            continue
        for message_id, message in messages:
            after = message_id
            try:
                _take(node, message)
            except Exception:
                log.exception("inbox message not understood", kind=message.get("kind"))


def _take(node: Node, message: dict[str, Any]) -> None:
    match message.get("kind"):
        case "command" | "disconnect" | "settings" as kind:
            if (session := node.hub.find(message["member"])) is not None:
                _tell(node, session, kind, message)
        case "trace":
            if (session := node.hub.find(message["member"])) is not None:
                node.background(trace.follow, session)
        case "evicted":
            node.background(_evict, node, message)
        case "evicted_done":
            node.evictions.gone(message["holder"])
        case "token_revoked":
            for session in node.hub:
                if _uses(session, message):
                    session.close_soon(Close.REVOKED)
        case kind:
            log.warning("inbox message of an unknown kind", kind=kind)


def _tell(
    node: Node, session: Session, kind: Literal["command", "disconnect", "settings"], message: dict[str, Any]
) -> None:
    match kind:
        case "command":
            session.calls.wake()
        case "disconnect":
            session.close_soon(_CLOSINGS.get(message.get("reason", ""), Close.DISCONNECTED))
        case "settings":
            node.background(session.reread_settings)


def _uses(session: Session, message: dict[str, Any]) -> bool:
    return (session.lease.keys.tenant, session.attached.token_id) == (message["tenant"], message["token_id"])


async def _evict(node: Node, message: dict[str, Any]) -> None:
    """Close our session, and tell the node of the new one when it is gone."""
    session = node.hub.find_holder(message["holder"])
    if session is not None:
        session.close_soon(Close.SUPERSEDED)
        await session.ended.wait()
    await node.tell(message["by_node"], {"kind": "evicted_done", "holder": message["holder"]})

"""Messages from other processes to this node.

If a message is lost, work is delayed by seconds, but no fact is lost.
"""

from typing import assert_never

import structlog
import trio

from gateway import housekeeping, moving
from gateway.admission.takeover import Takeovers
from gateway.hub import Hub
from gateway.node import Node
from gateway.session.session import Session
from gateway.websocket.close_codes import Close
from state.errors import StateError
from state.nodes import inbox
from state.nodes.inbox import DisconnectReason, Message, ToSession

log = structlog.get_logger()

BLOCK_MS = 5000
RETRY_S = 1.0

_CLOSINGS = {DisconnectReason.OPERATOR: Close.DISCONNECTED, DisconnectReason.DELETED: Close.DELETED}


async def read(node: Node, hub: Hub, takeovers: Takeovers) -> None:
    """Read and deliver messages until cancelled."""
    while True:
        try:
            for message_id, message in await inbox.read(
                node.store, node.incarnation, node.inbox_read, BLOCK_MS
            ):
                node.inbox_read = message_id
                deliver(node, hub, takeovers, message)
        except StateError:
            await trio.sleep(RETRY_S)
        except Exception:  # An inbox that cannot be read must not end the sessions of this process.
            log.exception("inbox.read_failed")
            await trio.sleep(RETRY_S)


def deliver(node: Node, hub: Hub, takeovers: Takeovers, message: Message | None) -> None:
    """Act on one message. None stands for a message that could not be decoded."""
    match message:
        case inbox.CommandQueued() | inbox.Disconnect() | inbox.SettingsChanged() | inbox.TraceChanged():
            if (session := hub.find(message.member)) is not None:
                _deliver_to(node, session, message)
        case inbox.Evict():
            node.background(takeovers.evict, message)
        case inbox.Evicted():
            takeovers.note_gone(message.holder)
        case inbox.TokenRevoked() | inbox.TokenRetired():
            _close_revoked(hub, message)
        case inbox.DeniedCertificatesChanged():
            node.background(housekeeping.follow_denied, node, hub)
        case inbox.Drain() | inbox.DrainCancelled() | inbox.Shed():
            moving.obey(node, hub, message)
        case inbox.CommandChanged() | None:
            log.warning("inbox.message_ignored", message=repr(message))
        case _:
            assert_never(message)


def _close_revoked(hub: Hub, message: inbox.TokenRevoked | inbox.TokenRetired) -> None:
    token = message.tenant, message.token_id
    everyone = isinstance(message, inbox.TokenRevoked)
    for link in [session.link for session in hub]:
        opened = link.lease.keys.tenant, link.attached.token_id
        if opened == token and (everyone or link.attached.security_profile == 0):
            link.close_soon(Close.REVOKED)


def _deliver_to(node: Node, session: Session, message: ToSession) -> None:
    match message:
        case inbox.CommandQueued():
            session.calls.wake()
        case inbox.Disconnect():
            session.link.close_soon(_CLOSINGS[message.reason])
        case inbox.SettingsChanged():
            node.background(session.reread_settings)
        case inbox.TraceChanged():
            node.background(session.link.follow_trace)
        case _:
            assert_never(message)

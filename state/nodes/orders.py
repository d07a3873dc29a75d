"""Orders of an operator to a gateway: drain, cancel the drain, shed sessions."""

from typing import Literal

from state.nodes import inbox, nodes
from state.nodes.inbox import ToGateway
from state.store import Store

FORMAT = 2
"""Format of the first release whose gateways obey these orders."""

type Sent = Literal["sent", "unknown", "not_a_gateway", "too_old", "away"]


async def send(store: Store, incarnation: str, order: ToGateway) -> Sent:
    """Put an order into the inbox of a gateway.

    `away` means that the gateway has no inbox: it is dead, or paused for more than 9 s.
    """
    if not await nodes.is_known(store, incarnation):
        return "unknown"
    record = (await nodes.read_records(store, [incarnation])).get(incarnation)
    if record is not None and record.kind != "gateway":
        return "not_a_gateway"
    if record is not None and record.format < FORMAT:
        return "too_old"
    return "sent" if await inbox.send(store, incarnation, order) else "away"

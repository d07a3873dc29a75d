"""The last status of each connector, as the charge point reported it.

Connector 0 is the whole charge point.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from state.keys import ChargePointKeys
from state.nodes.leases import Lease, require
from state.store import Store
from state.transactions.running import Open, read_open

CONNECTORS = 256
"""Greatest number of connectors of one charge point whose status is stored."""


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A StatusNotification. `timestamp` is the text that the charge point sent.

    `since_ms` is set by the store: the time since which the status and the error codes are as they are.
    """

    connector_id: int
    status: str
    error_code: str
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None
    timestamp: str | None = None
    received_ms: int
    since_ms: int | msgspec.UnsetType = msgspec.UNSET


class Recorded(NamedTuple):
    """`stored` is False if the status of CONNECTORS other connectors is stored already.

    `running` is the transaction that is open on the connector, if the status is Available.
    """

    stored: bool
    running: Open | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Connector).decode


async def record_status(store: Store, lease: Lease, connector: Connector) -> Recorded:
    """Store a status, and emit an event if the status or an error code has changed.

    Faulted and Unavailable also end the reservations of the connector, or of the whole charge point if the
    connector is 0 (OCPP 1.6 section 5.13). Raises Superseded or LeaseLost.
    """
    what = _encode((connector.status, connector.error_code, connector.vendor_error_code))
    keys = lease.keys
    word, *pointer = await store.step(
        "charge_points/connector_status",
        (*lease.head_keys(), keys.connectors, keys.open, keys.reservations),
        (*lease.head_args(), connector.connector_id, connector.status, what, _encode(connector), CONNECTORS),
    )
    require(word)
    return Recorded(word == b"ok", read_open(pointer[0]) if pointer else None)


async def list_(store: Store, tenant: str, charge_point: str) -> list[Connector]:
    """List the stored status of each connector, sorted by the connector's number."""
    reply = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).connectors)
    return sorted(read_stored(reply.values()), key=lambda connector: connector.connector_id)


def read_stored(values: Iterable[bytes]) -> list[Connector]:
    """Read values of the hash `connectors`."""
    return [_decode(value.partition(b"\n")[2]) for value in values]

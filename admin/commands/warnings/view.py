"""The known state of the charge point that is about to get a command."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from state.charge_points import ChargePointRecord, configuration, connectors
from state.charge_points.configuration import Configuration
from state.charge_points.connectors import Connector
from state.keys import ChargePointKeys
from state.store import Store

type Warner = Callable[[Any, View], Awaitable[list[str]]]


class View(NamedTuple):
    """The record of the charge point. Other data is read on demand, because most commands do not need it.

    `firmware_sha256` is the hash of the firmware that a SignedUpdateFirmware names, if the operator gave it.
    `waits_s` is how long the command may wait until the charge point is online, or None if it is sent now.
    """

    store: Store
    record: ChargePointRecord
    firmware_sha256: bytes | None = None
    waits_s: float | None = None

    @property
    def tenant(self) -> str:
        return self.record.tenant

    @property
    def charge_point(self) -> str:
        return self.record.id

    @property
    def keys(self) -> ChargePointKeys:
        return ChargePointKeys(self.tenant, self.charge_point)

    async def configuration(self) -> Configuration:
        return await configuration.get(self.store, self.tenant, self.charge_point)

    async def connectors(self) -> dict[int, Connector]:
        """Return the known connectors by number. 0 is the whole charge point."""
        found = await connectors.list_(self.store, self.tenant, self.charge_point)
        return {connector.connector_id: connector for connector in found}


def no_such_connector(connector_id: int, known: dict[int, Connector]) -> list[str]:
    """Warn if the charge point has reported connectors, but not the connector with this id."""
    if connector_id in known or not known:
        return []
    heard = ", ".join(map(str, sorted(known)))
    return [f"The charge point has never reported connector {connector_id}, only {heard}."]

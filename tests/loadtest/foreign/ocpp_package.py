"""A small central system made with the Python package `ocpp`, which checks every payload by OCPP's schemas.

It shares no code with csms. After each boot it sends commands of every kind that changes nothing of a load,
because the package checks their answers too. It prints its URL as JSON, serves until standard input ends,
and then prints what it has seen. `servers.py` runs it, and ocpp_rpc.mjs does the same on Node.
"""

import asyncio
import json
import logging
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action, RegistrationStatus
from websockets import Subprotocol
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ACCEPTED = {"status": "Accepted"}
COMMANDS = (
    call.GetConfiguration(),
    call.GetConfiguration(key=["HeartbeatInterval", "Other"]),
    call.ChangeConfiguration(key="MinimumStatusDuration", value="1"),
    call.GetLocalListVersion(),
    call.SendLocalList(list_version=1, update_type="Full", local_authorization_list=[]),
    call.ClearCache(),
    call.GetCompositeSchedule(connector_id=1, duration=60),
    call.ClearChargingProfile(),
    call.CancelReservation(reservation_id=1),
    call.UnlockConnector(connector_id=2),
    call.DataTransfer(vendor_id="else", data="1"),
    call.GetDiagnostics(location="ftp://127.0.0.1/diagnostics"),
    call.TriggerMessage(requested_message="Heartbeat"),
    call.TriggerMessage(requested_message="MeterValues", connector_id=1),
    call.TriggerMessage(requested_message="StatusNotification", connector_id=1),
)


class System:
    """The state that all connections share. Each fleet has a prefix of its own, and is counted by it."""

    def __init__(self) -> None:
        self.ids = count(1)
        self.calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.open: set[int] = set()
        self.answered: Counter[str] = Counter()
        self.problems: list[str] = []

    async def serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        peer = Peer(request.path.rpartition("/")[2], connection, self)
        with suppress(ConnectionClosed):
            await peer.start()
        if peer.commands is not None:
            peer.commands.cancel()

    def seen(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "open": len(self.open),
            "answered": self.answered,
            "problems": self.problems,
        }


class Peer(ChargePoint):  # type: ignore[misc]  # the package has no types
    """A charge point as the central system sees it."""

    def __init__(self, id_: str, connection: ServerConnection, system: System) -> None:
        super().__init__(id_, connection)
        self.system = system
        self.commands: asyncio.Task[None] | None = None

    def _count(self, action: str) -> None:
        self.system.calls[self.id.rstrip("0123456789")][action] += 1

    async def _command(self) -> None:
        for command in COMMANDS:
            try:
                await self.call(command, suppress=False)
            except ConnectionClosed:
                return
            except Exception as error:  # noqa: BLE001  any of them is a problem
                self.system.problems.append(f"{type(command).__name__}: {error!r}")
            else:
                self.system.answered[type(command).__name__] += 1

    @on(Action.boot_notification)
    def on_boot(self, **_request: Any) -> Any:
        self._count("BootNotification")
        if self.commands is None:
            self.commands = asyncio.create_task(self._command())
        return call_result.BootNotification(
            current_time=now(), interval=300, status=RegistrationStatus.accepted
        )

    @on(Action.authorize)
    def on_authorize(self, **_request: Any) -> Any:
        self._count("Authorize")
        return call_result.Authorize(id_tag_info=ACCEPTED)

    @on(Action.start_transaction)
    def on_start(self, **_request: Any) -> Any:
        self._count("StartTransaction")
        id_ = next(self.system.ids)
        self.system.open.add(id_)
        return call_result.StartTransaction(transaction_id=id_, id_tag_info=ACCEPTED)

    @on(Action.stop_transaction)
    def on_stop(self, transaction_id: int, **_request: Any) -> Any:
        self._count("StopTransaction")
        self.system.open.discard(transaction_id)
        return call_result.StopTransaction(id_tag_info=ACCEPTED)

    @on(Action.meter_values)
    def on_values(self, **_request: Any) -> Any:
        self._count("MeterValues")
        return call_result.MeterValues()

    @on(Action.status_notification)
    def on_status(self, **_request: Any) -> Any:
        self._count("StatusNotification")
        return call_result.StatusNotification()

    @on(Action.heartbeat)
    def on_heartbeat(self) -> Any:
        self._count("Heartbeat")
        return call_result.Heartbeat(current_time=now())

    @on(Action.data_transfer)
    def on_data(self, **_request: Any) -> Any:
        self._count("DataTransfer")
        return call_result.DataTransfer(status="Accepted")

    @on(Action.diagnostics_status_notification)
    def on_diagnostics(self, **_request: Any) -> Any:
        self._count("DiagnosticsStatusNotification")
        return call_result.DiagnosticsStatusNotification()


class Problems(logging.Handler):
    """Keeps what the package logs of payloads and frames that it does not accept."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        why = record.exc_info[1] if record.exc_info else None
        self._kept.append(f"{record.getMessage()} {why!r}")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def run() -> None:
    system = System()
    logging.getLogger("ocpp").addHandler(Problems(system.problems))
    protocols = [Subprotocol("ocpp1.6")]
    async with serve(system.serve, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stdout.write(json.dumps({"url": f"ws://127.0.0.1:{port}/ocpp/{{id}}"}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    sys.stdout.write(json.dumps(system.seen()) + "\n")


if __name__ == "__main__":
    asyncio.run(run())

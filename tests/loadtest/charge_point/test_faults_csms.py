"""A running csms serves charge points with the faults of loadtest/charge_point/faults.py."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx
import msgspec
import pytest
import trio

from gateway.ocpp16 import frames
from gateway.ocpp16.faults.table import FaultName as Counted
from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.connection import Connection
from loadtest.charge_point.faults import Faults
from loadtest.charge_point.responses import Responses
from loadtest.scenario.model import FaultName
from tests.support.csms_up import Running
from tests.support.waiting import GENEROUS_S, until

COUNTED: dict[FaultName, set[Counted]] = {
    "many_subprotocols": set(),
    "origin": {"origin"},
    "double_slash": {"double_slash"},
    "trailing_slash": {"trailing_slash"},
    "id_twice": {"id_twice"},
    "empty_frame": {"empty_frame"},
    "id_short": set(),
    "id_not_text": {"id_not_text"},
    "call_unanswered": {"call_unanswered"},
    "early_heartbeat": {"no_boot"},
    "repeated_start": {"repeated_start"},
    "repeated_stop": {"repeated_stop"},
    "available_while_charging": {"available_while_charging"},
    "values_after_stop": {"values_after_stop"},
    "connector_zero": {"connector_zero"},
    "finishing_error": set(),
    "time_no_zone": {"time_no_zone"},
    "time_format": {"time_format"},
    "time_seven_digits": set(),
    "time_before_2015": {"time_before_2015"},
    "no_status_time": set(),
    "null_for_absent": {"null_for_absent"},
    "null_payload": set(),
    "empty_value": {"empty_value", "null_for_absent"},
    "number_for_text": {"number_for_text"},
    "empty_samples": set(),
    "wrong_context": {"item_left_out"},
    "wrong_unit": {"item_left_out", "null_for_absent"},
    "wrong_phase": set(),
    "unknown_enum": {"unknown_enum"},
    "object_for_list": {"object_for_list"},
    "required_absent": {"required_absent"},
    "transaction_zero": {"unknown_transaction"},
    "reservation_zero": {"reservation_zero"},
}
"""Faults that csms counts for a charge point that has the fault and no other one."""

BOOT = {"chargePointVendor": "csms", "chargePointModel": "loadtest"}
SAMPLE = {"value": "1600", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}


class Station:
    """A charge point that does one thing after the other. It answers calls as `Responses` does."""

    def __init__(self, running: Running, fault: FaultName) -> None:
        self.id = f"fault-{fault}"
        self.connectors = 1
        self.transaction_id: int | None = None
        self._url = running.url(self.id, scheme="ws")
        self._faults = Faults([fault])
        self._responses = Responses(self)
        self._numbers = itertools.count(1)
        self._answers, self._incoming = trio.open_memory_channel[list[Any]](10)
        self._connection: Connection

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        url, subprotocols, headers = self._faults.handshake(self._url)
        opening = connect(url, subprotocols=subprotocols, headers=headers)
        async with opening as self._connection, trio.open_nursery() as nursery:
            nursery.start_soon(self._connection.run, self._receive)
            yield
            nursery.cancel_scope.cancel()

    async def _receive(self, frame: bytes) -> None:
        if (read := self._faults.incoming(frame)) is None:
            return
        message = frames.decode(read)
        if isinstance(message, frames.Call):
            answer = self._responses.answer(message.action, bytes(message.payload))
            assert isinstance(answer, bytes)
            await self._send(frames.result(message.id, msgspec.Raw(answer)))
        else:
            await self._answers.send(msgspec.json.decode(read))

    async def _send(self, frame: bytes) -> None:
        for changed in self._faults.outgoing(frame):
            await self._connection.send(changed)

    async def call(self, action: str, **payload: Any) -> Any:
        """Return the payload of the CALLRESULT. The next answer must be the one to this call."""
        id_ = f"1f-{next(self._numbers):x}"
        await self._send(frames.call(id_, action, payload))
        kind, answered, answer, *_ = await self._incoming.receive()
        assert (kind, answered) == (3, id_), (self.id, action, answer)
        return answer

    async def report(self, status: str, minute: int) -> None:
        at = self.time(minute)
        await self.call("StatusNotification", connectorId=1, errorCode="NoError", status=status, timestamp=at)

    async def charge(self) -> None:
        await self.call("BootNotification", **BOOT)
        await self.report("Available", 0)
        begin = {"connectorId": 1, "idTag": "DEMO", "meterStart": 1_500, "timestamp": self.time(1)}
        self.transaction_id = (await self.call("StartTransaction", **begin))["transactionId"]
        await self.report("Charging", 1)
        value = {"timestamp": self.time(2), "sampledValue": [SAMPLE]}
        await self.call("MeterValues", connectorId=1, transactionId=self.transaction_id, meterValue=[value])
        end = {"transactionId": self.transaction_id, "meterStop": 1_700, "timestamp": self.time(3)}
        await self.call("StopTransaction", **end)
        await self.report("Finishing", 3)
        await self.call("MeterValues", connectorId=1, meterValue=[value | {"timestamp": self.time(4)}])
        await self.call("Heartbeat")

    @staticmethod
    def time(minute: int) -> str:
        return f"2026-01-31T12:{minute:02}:00.500Z"

    # --- The rest of `Day`: no operator does anything of this ----------------------------------------

    def start(self, id_tag: str) -> bool:
        raise NotImplementedError(id_tag)

    def stop(self, reason: str) -> bool:
        raise NotImplementedError(reason)

    def reset(self, kind: str) -> None:
        raise NotImplementedError(kind)

    def boot(self) -> bytes:
        raise NotImplementedError

    def reading(self) -> bytes:
        raise NotImplementedError

    def status(self, connector: int) -> bytes:
        raise NotImplementedError(connector)


def test_every_fault_but_a_missing_subprotocol_is_played_against_csms() -> None:
    assert COUNTED.keys() | {"no_subprotocol"} == set(get_args(FaultName.__value__))


async def test_csms_keeps_the_transaction_of_a_charge_point_with_any_fault_and_names_the_fault(
    running: Running,
) -> None:
    stations = {fault: Station(running, fault) for fault in COUNTED}
    headers = {"Authorization": f"Bearer {running.api_key}"}
    base = f"{running.admin}/v1/tenants/{running.tenant}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=GENEROUS_S) as api:

        async def ask(station: Station, deadline_s: float) -> int:
            path = f"/charge-points/{station.id}/commands/GetConfiguration"
            return (await api.post(path, json={}, params={"timeout": deadline_s})).status_code

        async def play(fault: FaultName, station: Station) -> None:
            async with station.connected():
                await station.charge()
                assert await ask(station, GENEROUS_S) == 200
                if fault == "call_unanswered":
                    assert await ask(station, 1) == 504
            async with station.connected():
                await station.call("Heartbeat")

        with trio.fail_after(2 * GENEROUS_S):
            async with trio.open_nursery() as nursery:
                for fault, station in stations.items():
                    nursery.start_soon(play, fault, station)
        for fault, station in stations.items():
            stored = (await api.get("/transactions", params={"charge_point": station.id})).json()["items"]
            facts = [(one["ocpp_transaction_id"], one["meter_start"], one["meter_stop"]) for one in stored]
            assert facts == [(station.transaction_id, 1_500, 1_700)], fault

            async def counted(station: Station = station) -> set[str]:
                found = (await api.get(f"/charge-points/{station.id}/faults")).json()["items"]
                return {one["name"] for one in found}

            async def named(fault: FaultName = fault) -> bool:
                return await counted() >= COUNTED[fault]

            await until(named)
            assert await counted() == COUNTED[fault], fault


async def test_csms_refuses_a_charge_point_that_offers_no_subprotocol(running: Running) -> None:
    station = Station(running, "no_subprotocol")
    with pytest.raises(UpgradeRefused, match="400"):
        async with station.connected():
            pass

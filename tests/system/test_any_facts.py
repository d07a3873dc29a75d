"""Facts with any JSON in their fields are neither refused nor lost, unless the charge point is strict.

An independent client (`websockets`) sends facts in which one or two fields have any JSON value. Afterwards
the admin API must show every fact, and every list must be readable. A strict charge point must get the
CALLERROR that the official schema deserves.

These tests cover gateway/ocpp16/faults, gateway/handlers, state/transactions, state/features and
admin/routes.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
import websockets
from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # comes with ocpp, without types

from tests.support.any_json import any_json
from tests.support.schema_payloads import schema
from tests.system.central import Central, Process, Tenant

VALIDATORS = {
    name: Draft4Validator(schema(name))
    for name in ("StartTransaction", "StopTransaction", "MeterValues", "SecurityEventNotification")
}
CODES = {
    "required": "OccurenceConstraintViolation",
    "type": "TypeConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "maxLength": "PropertyConstraintViolation",
    "additionalProperties": "PropertyConstraintViolation",
}
LISTS = (
    *(
        "faults",
        "orphaned-stops",
        "unreadable-facts",
        "security-events",
        "reservations",
        "stray-meter-values",
    ),
    *("charging-profiles", "data-transfers", "certificates", "jobs", "configuration", ""),
)
ANSWER_S = 60.0
BOOT = '[2,"boot","BootNotification",{"chargePointVendor":"Any","chargePointModel":"One"}]'
ABSENT = 0.1
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Fact:
    """A fact in which one or two fields have any JSON value. Its other fields occur in no other."""

    def __init__(self, rng: random.Random, number: int, transaction: int) -> None:
        at = f"2026-01-{number % 28 + 1:02}T{number // 28 % 24:02}:{number % 60:02}:00Z"
        value = [{"timestamp": at, "sampledValue": [{"value": str(number), "unit": "Wh"}]}]
        good: dict[str, dict[str, Any]] = {
            "StartTransaction": {
                "connectorId": number,
                "idTag": f"TAG{number}",
                "meterStart": number,
                "timestamp": at,
                "reservationId": number,
            },
            "StopTransaction": {
                "transactionId": transaction,
                "meterStop": number,
                "timestamp": at,
                "idTag": f"TAG{number}",
                "reason": "Local",
                "transactionData": value,
            },
            "MeterValues": {"connectorId": number, "transactionId": transaction, "meterValue": value},
            "SecurityEventNotification": {"type": f"X{number}", "timestamp": at, "techInfo": f"{number}"},
        }
        self.action = rng.choice(sorted(good))
        self.fields = {name: json.dumps(one) for name, one in good[self.action].items()}
        for name in rng.sample(sorted(self.fields), rng.choice((1, 2))):
            self.fields[name] = any_json(rng)
            if rng.random() < ABSENT:
                del self.fields[name]
        self.frame = f'[2,"{number}","{self.action}",{self.payload}]'

    @property
    def payload(self) -> str:
        return "{" + ",".join(f'"{name}":{one}' for name, one in self.fields.items()) + "}"

    def deserved(self) -> set[str]:
        """Return the codes of which a strict charge point deserves one. The set is empty for a right fact."""
        try:
            tree = json.loads(self.payload, parse_float=Decimal, parse_int=_integer)
            json.dumps(tree, default=str, ensure_ascii=False).encode()
        except UnicodeError:
            return {"FormationViolation"}
        found = {CODES[error.validator] for error in VALIDATORS[self.action].iter_errors(tree)}
        return found | set(_beyond_the_schema(tree))


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < 4_000 else Decimal(text)


def _beyond_the_schema(tree: Any) -> Iterator[str]:
    """Yield the codes of what the schema's text requires, but jsonschema does not check."""
    for name, value in tree.items():
        if type(value) is int and not -(2**63) <= value < 2**63:
            yield "TypeConstraintViolation"
        if name == "timestamp" and isinstance(value, str) and not _is_time(value):
            yield "PropertyConstraintViolation"
        for one in value if isinstance(value, list) else ():
            if isinstance(one, dict):
                yield from _beyond_the_schema(one)


def _is_time(text: str) -> bool:
    try:
        return TIME.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


class Sent:
    """What a charge point has sent: its facts, its transactions, and the answers."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.facts: list[Fact] = []
        self.answers: list[list[Any]] = []
        self.transactions: list[int] = []

    async def run(self, url: str, facts: int) -> None:
        rng = random.Random(self.id)
        async with websockets.connect(url, subprotocols=[websockets.Subprotocol("ocpp1.6")]) as connection:
            await connection.send(BOOT)
            assert json.loads(await asyncio.wait_for(connection.recv(), ANSWER_S))[2]["status"] == "Accepted"
            for number in range(1, facts + 1):
                # A quarter of the facts names a transaction that no start has begun.
                known = self.transactions if rng.random() < 0.75 else []
                fact = Fact(rng, number, rng.choice(known or [number]))
                await connection.send(fact.frame)
                answer = json.loads(await asyncio.wait_for(connection.recv(), ANSWER_S))
                assert answer[1] == str(number)
                self.facts.append(fact)
                self.answers.append(answer)
                if answer[0] == 3 and fact.action == "StartTransaction":
                    self.transactions.append(answer[2]["transactionId"])

    def count(self, action: str) -> int:
        """Return how many different facts of this action were sent."""
        return len({fact.payload for fact in self.facts if fact.action == action})


@pytest.fixture
def tenant(central: Central) -> Tenant:
    return central.tenant()


def _play(gateway: Process, tenant: Tenant, charge_points: int, facts: int) -> list[Sent]:
    fleet = [Sent(f"any-{n}") for n in range(charge_points)]

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for one in fleet:
                group.create_task(one.run(tenant.url(gateway, one.id), facts))

    asyncio.run(run())
    return fleet


def _client(tenant: Tenant) -> httpx.Client:
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    return httpx.Client(base_url=f"{tenant.admin}/v1/tenants/{tenant.id}", headers=headers, timeout=60)


def _check_lenient(tenant: Tenant, fleet: list[Sent]) -> None:
    refused = [
        (fact.frame, answer)
        for one in fleet
        for fact, answer in zip(one.facts, one.answers, strict=True)
        if answer[0] != 3
    ]
    assert refused == []
    with _client(tenant) as api:

        def read(path: str) -> Any:
            response = api.get(path)
            assert response.status_code == 200, (path, response.text[:300])
            return response.json(parse_int=_integer)

        for one in fleet:
            _check_kept(one, read)


def _check_kept(sent: Sent, read: Callable[[str], Any]) -> None:
    path = f"/charge-points/{sent.id}"
    for name in LISTS:
        read(f"{path}/{name}".rstrip("/"))
    started = read(f"/transactions?charge_point={sent.id}&limit=1000")["items"]
    assert sorted(one["ocpp_transaction_id"] for one in started) == sorted(sent.transactions)
    assert len(set(sent.transactions)) == sent.count("StartTransaction")
    stopped = sum(one["stopped_at"] is not None for one in started)
    orphans = read(f"{path}/orphaned-stops")["items"]
    assert stopped + len(orphans) == sent.count("StopTransaction")
    assert len(read(f"{path}/security-events?limit=1000")["items"]) == sent.count("SecurityEventNotification")
    kept = Counter(_sources(read(f"/transactions/{one['id']}/meter-values?raw=true") for one in started))
    strays = (read(f"{path}/stray-meter-values?raw=true&connector_id={n}") for n in _connectors(sent))
    kept += Counter(_sources(strays))
    assert kept["MeterValues"] == sent.count("MeterValues")


def _connectors(sent: Sent) -> set[int]:
    """Return the connectors at which stray values may be. Those above 254 share the last one."""
    found = {0, 300}
    for fact in sent.facts:
        with suppress(ValueError, TypeError, OverflowError, KeyError):
            value = json.loads(fact.fields["connectorId"], parse_int=float)
            found.add(number if (number := int(float(value))) in range(255) else 300)
    return found


def _sources(pages: Any) -> Iterator[str]:
    for page in pages:
        yield from (one["source"] for one in page["raw"])


def test_facts_with_any_json_in_one_or_two_fields_are_accepted_and_kept(
    gateways: tuple[Process, Process], tenant: Tenant
) -> None:
    _check_lenient(tenant, _play(gateways[0], tenant, 12, 40))


@pytest.mark.slow
def test_20000_facts_of_500_charge_points_with_any_json_in_one_or_two_fields_are_accepted_and_kept(
    gateways: tuple[Process, Process], tenant: Tenant
) -> None:
    _check_lenient(tenant, _play(gateways[0], tenant, 500, 40))


def test_a_strict_charge_point_gets_the_error_that_the_schema_deserves_for_any_json_in_its_facts(
    gateways: tuple[Process, Process], tenant: Tenant
) -> None:
    with _client(tenant) as api:
        for n in range(12):
            assert api.put(f"/charge-points/any-{n}", json={"strict": True}).status_code == 201
    codes: Counter[str] = Counter()
    for sent in _play(gateways[0], tenant, 12, 40):
        for fact, answer in zip(sent.facts, sent.answers, strict=True):
            deserved = fact.deserved()
            assert answer[0] == (4 if deserved else 3), (fact.frame, answer, deserved)
            if deserved:
                assert answer[2] in deserved, (fact.frame, answer, deserved)
                codes[answer[2]] += 1
    assert set(CODES.values()) - {"OccurenceConstraintViolation"} <= set(codes)

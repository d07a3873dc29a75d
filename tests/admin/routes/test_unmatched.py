"""Orphaned stops and stray meter values over HTTP."""

from json import loads
from typing import Any

import msgspec
import pytest

from state import transactions
from state.keys import ChargePointKeys
from state.transactions import meter_values
from state.transactions.as_sent import AsSent
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem
from tests.support.leases import claimed
from tests.support.transactions import ANSWER, a_start, a_stop

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1"
ODD_JSON = (
    *("null", "true", "5", '""', '"x"', "[]", "{}", "[null]", "[{}]", "[[]]", "[[{}]]", "[1,{},null,{}]"),
    *(
        '{"timestamp":null}',
        '[{"timestamp":{},"sampledValue":{}}]',
        '[{"timestamp":5,"sampledValue":[null,1]}]',
    ),
    *(
        '[{"sampledValue":"x"}]',
        '[{"sampledValue":[{}]}]',
        '[{"source":1,"received_at":{},"connector_id":"x"}]',
    ),
    *(
        '[{"timestamp":"2026-02-30T00:00:00Z"}]',
        "[" * 500 + "]" * 500,
        '[{"timestamp":' + "9" * 5_000 + "}]",
        '[{"timestamp":' + "[" * 9_000 + "]" * 9_000 + ',"sampledValue":[' + "9" * 5_000 + "]}]",
        '[{"a":' * 200 + "1" + "}]" * 200,
    ),
)
VALUE = {"timestamp": "2026-01-01T12:05:00Z", "sampledValue": [{"value": "7"}]}


async def test_two_stop_transaction_requests_with_the_transaction_id_minus_1_can_be_listed_and_deleted(
    api: Api,
) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    data = msgspec.json.encode([VALUE])
    for meter, tag in ((900, "TAG"), (1200, None)):
        stop = a_stop(-1, meter_stop=meter, id_tag=tag, reason="PowerLoss", data=data, received_ms=meter)
        await transactions.stop(api.store, lease, stop, ANSWER)
    page = (await api.client.get(f"{PATH}/orphaned-stops")).json()
    assert (page["evicted"], page["next"]) == (0, None)
    one, two = page["items"]
    assert (one["ocpp_transaction_id"], one["meter_stop"], one["id_tag"]) == ("-1", 900, "TAG")
    assert (two["ocpp_transaction_id"], two["meter_stop"], two["id_tag"]) == ("-1", 1200, None)
    assert one["reason"] == "PowerLoss"
    assert one["received_at"] == "1970-01-01T00:00:00.900Z"

    values = (await api.client.get(f"{PATH}/stray-meter-values")).json()["items"]
    assert [(found["ocpp_transaction_id"], found["source"]) for found in values] == [
        ("-1", "transactionData")
    ]

    assert (await api.client.delete(f"{PATH}/orphaned-stops/{one['id']}")).status_code == 204
    is_problem(await api.client.delete(f"{PATH}/orphaned-stops/{one['id']}"), 404, "not-found")
    is_problem(await api.client.delete(f"{PATH}/orphaned-stops/evicted"), 404, "not-found")
    assert (await api.client.get(f"{PATH}/orphaned-stops")).json()["items"] == [two]


async def test_meter_values_without_a_known_transaction_can_be_listed_for_one_connector(api: Api) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    for number, (connector, transaction) in enumerate(((1, None), (1, "77"), (2, None), (300, None))):
        payload = msgspec.json.encode([VALUE, VALUE | {"timestamp": f"2026-01-01T13:00:0{number}Z"}])
        await meter_values.append(
            api.store,
            lease,
            connector_id=connector,
            transaction_id=transaction,
            payload=payload,
            received_ms=1000 + number,
        )
    items = (await api.client.get(f"{PATH}/stray-meter-values?connector_id=1")).json()["items"]
    assert [(one["connector_id"], one["ocpp_transaction_id"]) for one in items] == [(1, None)] * 2 + [
        (1, "77")
    ] * 2
    assert items[0] == VALUE | {
        "timestamp": "2026-01-01T12:05:00.000Z",
        "source": "MeterValues",
        "received_at": "1970-01-01T00:00:01.000Z",
        "connector_id": 1,
        "ocpp_transaction_id": None,
    }
    items = (await api.client.get(f"{PATH}/stray-meter-values?connector_id=9999")).json()["items"]
    assert {one["connector_id"] for one in items} == {300}
    assert (await api.client.get(f"{PATH}/stray-meter-values")).json()["items"] == []


async def test_a_request_for_unmatched_stops_or_meter_values_of_an_unknown_charge_point_is_answered_404(
    api: Api,
) -> None:
    for path in ("orphaned-stops", "stray-meter-values"):
        is_problem(await api.client.get(f"{PATH}/{path}"), 404, "not-found")
    is_problem(await api.client.delete(f"{PATH}/orphaned-stops/x"), 404, "not-found")
    response = await api.client.get(f"{PATH}/stray-meter-values?connector_id=-1")
    assert is_problem(response, 422, "invalid-request")["errors"][0]["parameter"] == "connector_id"


@pytest.mark.parametrize("payload", ODD_JSON, ids=lambda text: text[:40])
async def test_meter_values_of_any_json_are_listed_where_they_can_be_read_and_shown_raw(
    api: Api, payload: str
) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    started = await transactions.start(api.store, lease, a_start(), ANSWER)
    for transaction_id in (None, str(started.id)):
        await meter_values.append(
            api.store,
            lease,
            connector_id=None,
            transaction_id=transaction_id,
            payload=payload.encode(),
            received_ms=1000,
            as_sent=b'{"connectorId":"x"}',
        )
    strays = f"{PATH}/stray-meter-values?connector_id=300"
    values = f"/v1/tenants/{TENANT}/transactions/CP-1.{started.id}/meter-values?"
    for path in (strays, values):
        plain, raw = [(await api.client.get(f"{path}{more}")) for more in ("", "&raw=true")]
        assert (plain.status_code, raw.status_code) == (200, 200), plain.text
        assert f'"values":{payload},"as_sent":{{"connectorId":"x"}}' in raw.text
        listed, both, sent = (loads(text, parse_int=str) for text in (plain.text, raw.text, payload))
        assert listed["raw"] is None
        assert both["items"] == listed["items"]
        [message] = both["raw"]
        assert message["source"] == "MeterValues"
        assert message["received_at"] == "1970-01-01T00:00:01.000Z"
        parts: list[Any] = sent if isinstance(sent, list) else [sent]
        assert len(listed["items"]) == sum(isinstance(one, dict) for one in parts)
        assert all(isinstance(one["sampledValue"], list) for one in listed["items"])


async def test_a_stop_that_contradicts_its_transaction_is_shown_at_both_places_with_what_was_sent(
    api: Api,
) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    started = await transactions.start(
        api.store, lease, a_start(meter_start=None, as_sent=AsSent(b'{"meterStart":"5 kWh"}', "m")), ANSWER
    )
    unread = AsSent(b'{"meterStop":"26,008"}', "n")
    await transactions.stop(api.store, lease, a_stop(started.id, meter_stop=None, as_sent=unread), ANSWER)
    await transactions.stop(api.store, lease, a_stop(started.id, meter_stop=900), ANSWER)
    public = f"CP-1.{started.id}"
    shown = (await api.client.get(f"/v1/tenants/{TENANT}/transactions/{public}")).json()
    assert (shown["meter_start"], shown["meter_stop"], shown["energy_wh"]) == (None, None, None)
    assert (shown["as_sent"], shown["stop_as_sent"]) == ({"meterStart": "5 kWh"}, {"meterStop": "26,008"})
    assert shown["contradicting_stops"] == 1
    await transactions.stop(
        api.store,
        lease,
        msgspec.structs.replace(a_stop(1, meter_stop=None, as_sent=unread), transaction_id=None),
        ANSWER,
    )
    contradicting, unknown = (await api.client.get(f"{PATH}/orphaned-stops")).json()["items"]
    assert (contradicting["contradicts"], contradicting["meter_stop"]) == (public, 900)
    assert contradicting["as_sent"] is None
    assert (unknown["ocpp_transaction_id"], unknown["contradicts"]) == (None, None)
    assert (unknown["meter_stop"], unknown["as_sent"]) == (None, {"meterStop": "26,008"})


async def test_the_number_of_unmatched_stops_and_values_that_are_no_longer_kept_is_shown(api: Api) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    await api.store.execute("HSET", lease.keys.orphans, "evicted", 3)
    await api.store.execute("HSET", lease.keys.stray_counts, "evicted", 4)
    assert (await api.client.get(f"{PATH}/orphaned-stops")).json()["evicted"] == 3
    assert (await api.client.get(f"{PATH}/stray-meter-values")).json()["evicted"] == 4

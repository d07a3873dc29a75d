"""An operator joins an orphaned stop to its transaction over HTTP, and is refused where it makes no sense."""

from typing import Any

import httpx
import pytest

from state import transactions
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.transactions import forgetting
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.admin.problem import is_problem
from tests.support.transactions import ANSWER, a_start, a_stop

BASE = f"/v1/tenants/{TENANT}"
ORPHANS = f"{BASE}/charge-points/CP.1/orphaned-stops"


async def begin(api: Api, session: FakeSession, **changes: Any) -> str:
    """Begin a transaction, and return its public id."""
    outcome = await transactions.start(api.store, session.lease, a_start(**changes), ANSWER)
    return f"{session.lease.keys.id}.{outcome.id}"


async def lose(api: Api, session: FakeSession, **changes: Any) -> str:
    """Store a stop with the transaction id -1, and return the id of the orphan."""
    stop = a_stop(-1, id_tag="Tag", reason="PowerLoss", **changes)
    outcome = await transactions.stop(api.store, session.lease, stop, ANSWER)
    assert isinstance(outcome, transactions.Orphaned)
    return str((await api.client.get(ORPHANS)).json()["items"][-1]["id"])


async def join(api: Api, orphan: str, transaction: str, **more: Any) -> httpx.Response:
    return await api.client.post(f"{ORPHANS}/{orphan}/join", json={"transaction": transaction, **more})


async def read(api: Api, transaction: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"{BASE}/transactions/{transaction}")).json()
    return found


async def test_an_orphaned_stop_becomes_the_stop_of_the_transaction_to_which_it_is_joined(api: Api) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        transaction, orphan = await begin(api, session), await lose(api, session)
        answer = await join(api, orphan, transaction)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["state"], found["meter_stop"], found["energy_wh"]) == ("stopped", 200, 100)
        assert (found["reason"], found["stop_id_tag"]) == ("PowerLoss", "Tag")
        assert found["joined"]["api_key"] == str(api.client.headers["Authorization"]).split("_")[1]
        [listed] = (await api.client.get(ORPHANS)).json()["items"]
        assert (listed["joined_to"], listed["contradicts"]) == (transaction, None)
        # The answer may have been lost, so the same request gets it again.
        assert (await join(api, orphan, transaction)).json() == found == await read(api, transaction)
        again = await transactions.stop(
            api.store, session.lease, a_stop(-1, id_tag="Tag", reason="PowerLoss"), b"{}"
        )
        assert isinstance(again, transactions.Orphaned)
        assert (again.replayed, again.answer) == (True, ANSWER)
        assert (await api.client.delete(f"{ORPHANS}/{orphan}")).status_code == 204
        assert await read(api, transaction) == found


async def test_a_stop_that_is_joined_to_an_ended_transaction_counts_and_the_end_stays_beside_it(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        transaction, orphan = await begin(api, session), await lose(api, session)
        ended = await api.client.post(f"{BASE}/transactions/{transaction}/end", json={"meter": 150})
        found = (await join(api, orphan, transaction)).json()
        assert (found["state"], found["energy_wh"]) == ("stopped", 100)
        assert found["ended"] == ended.json()["ended"]


async def test_a_stop_cannot_be_joined_twice_nor_to_a_stopped_transaction(api: Api) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        first = await begin(api, session)
        second = await begin(api, session, timestamp="2026-01-01T00:00:09Z", connector_id=2)
        orphan, other = await lose(api, session), await lose(api, session, meter_stop=201)
        assert (await join(api, orphan, first)).status_code == 200
        problem = is_problem(await join(api, orphan, second), 409, "already-joined")
        assert first in problem["detail"]
        is_problem(await join(api, other, first), 409, "already-stopped")
        assert (await read(api, second))["state"] == "open"


async def test_a_stop_that_contradicts_the_stop_of_its_transaction_cannot_be_joined_to_another(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        first = await begin(api, session)
        second = await begin(api, session, timestamp="2026-01-01T00:00:09Z", connector_id=2)
        for meter in (200, 300):
            stop = a_stop(first.rpartition(".")[2], meter_stop=meter)
            await transactions.stop(api.store, session.lease, stop, ANSWER)
        orphan = (await api.client.get(ORPHANS)).json()["items"][0]["id"]
        problem = is_problem(await join(api, orphan, second), 409, "contradicting-stop")
        assert first in problem["detail"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"meter_stop": 99}, "99 Wh, is below that at the start, 100 Wh"),
        ({"stopped_ms": 1_000}, "is before that of the start"),
    ],
)
async def test_an_implausible_stop_is_joined_only_by_force(
    api: Api, changes: dict[str, Any], words: str
) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        transaction, orphan = await begin(api, session), await lose(api, session, **changes)
        problem = is_problem(await join(api, orphan, transaction), 409, "implausible-stop")
        assert words in problem["detail"]
        assert (await read(api, transaction))["state"] == "open"
        assert (await join(api, orphan, transaction, force=True)).json()["state"] == "stopped"


async def test_a_stop_is_joined_to_a_transaction_that_still_charges_only_by_force(api: Api) -> None:
    charging = Connector(connector_id=1, status="Charging", error_code="NoError", received_ms=1)
    async with connected(api.store, TENANT, "CP.1") as session:
        transaction, orphan = await begin(api, session), await lose(api, session)
        await connectors.record_status(api.store, session.lease, charging)
        problem = is_problem(await join(api, orphan, transaction), 409, "still-charging")
        assert "connector 1 reports Charging" in problem["detail"]
        assert (await join(api, orphan, transaction, force=True)).json()["state"] == "stopped"


@pytest.mark.parametrize("name", ["CP.1.77", "CP-2.1", "7", ""])
async def test_a_stop_is_joined_only_to_a_transaction_of_its_own_charge_point(api: Api, name: str) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        orphan = await lose(api, session)
        problem = is_problem(await join(api, orphan, name), 422, "invalid-request")
        assert [error["pointer"] for error in problem["errors"]] == ["/transaction"]
        transaction = await begin(api, session)
        is_problem(await join(api, "unknown", transaction), 404, "not-found")
        is_problem(await join(api, "evicted", transaction), 404, "not-found")


async def test_a_stop_is_not_joined_to_a_transaction_that_has_left_the_store(api: Api) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        transaction, orphan = await begin(api, session), await lose(api, session)
        await api.client.post(f"{BASE}/transactions/{transaction}/end", json={})
        number = int(transaction.rpartition(".")[2])
        assert await forgetting.forget(api.store, TENANT, "CP.1", number)
        is_problem(await join(api, orphan, transaction), 422, "invalid-request")

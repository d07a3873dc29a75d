"""Every action of a central system reaches the session with its payload unchanged.

These tests cover admin/routes/commands.py and admin/commands/send.py.
"""

import random
from typing import Any

import pytest

from gateway.ocpp16.actions import Sender, actions_of
from state import commands
from state.commands import Go
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.support.official_schemas import check, read
from tests.support.schema_payloads import generate, required_only, schema, to_json

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
ACTIONS = actions_of(Sender.CENTRAL_SYSTEM)
MESSAGES = 8


def payloads(name: str) -> list[Any]:
    """Return payloads with the required members only, with all members, and with random ones."""
    rng, node = random.Random(name), schema(name)
    whole = generate(node, rng, full=True)
    return [required_only(node, whole), whole, *(generate(node, rng) for _ in range(MESSAGES))]


def test_the_api_has_a_route_for_each_of_the_26_actions_that_a_central_system_may_send() -> None:
    assert len(ACTIONS) == 26


@pytest.mark.parametrize("action", ACTIONS)
async def test_the_payload_of_each_command_reaches_the_session_of_the_charge_point_unchanged(
    api: Api, action: str
) -> None:
    arrived: list[Go] = []

    async def notes(session: FakeSession, command: str, go: Go) -> None:
        arrived.append(go)
        await session.answer(command, b"{}")

    given = payloads(action)
    async with connected(api.store, TENANT, "CP-1", notes):
        for payload in given:
            body = to_json(payload)
            response = await api.client.post(
                f"{PATH}/{action}", content=body, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 200, response.text
            recorded = await commands.get(api.store, TENANT, response.json()["id"])
            assert recorded is not None
            assert bytes(recorded.payload) == arrived[-1].payload
    assert [go.action for go in arrived] == [action] * len(given)
    assert [read(go.payload) for go in arrived] == [read(to_json(payload)) for payload in given]
    for go in arrived:
        check(action, read(go.payload))

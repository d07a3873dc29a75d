"""All that a central system may send goes through the route as it was given, with all its fields or none."""

import random
from typing import Any

import msgspec
import pytest

from gateway.ocpp16.actions import Sender, actions_of
from state import commands
from state.commands import Go
from tests.admin.conftest import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.gateway.ocpp16.test_against_schemas import generate, schema
from tests.support.official_schemas import decoded, official, required_only

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
ACTIONS = actions_of(Sender.CENTRAL_SYSTEM)
MESSAGES = 8


def payloads(name: str) -> list[Any]:
    """Bare, whole, and some of chance."""
    rng, node = random.Random(name), schema(name)
    whole = generate(node, rng, full=True)
    return [required_only(node, whole), whole, *(generate(node, rng) for _ in range(MESSAGES))]


def test_there_are_26() -> None:
    assert len(ACTIONS) == 26


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_arrives_is_what_was_given(api: Api, action: str) -> None:
    arrived: list[Go] = []

    async def notes(session: FakeSession, command: str, go: Go) -> None:
        arrived.append(go)
        await session.answer(command, b"{}")

    validator = official(action)
    encode = msgspec.json.Encoder(decimal_format="number").encode
    given = payloads(action)
    async with connected(api.store, TENANT, "CP-1", notes):
        for payload in given:
            body = encode(payload)
            response = await api.client.post(
                f"{PATH}/{action}", content=body, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 200, response.text
            recorded = await commands.get(api.store, TENANT, response.json()["id"])
            assert recorded is not None
            assert bytes(recorded.payload) == arrived[-1].payload
    assert [go.action for go in arrived] == [action] * len(given)
    assert [decoded(go.payload) for go in arrived] == [decoded(encode(payload)) for payload in given]
    for go in arrived:
        validator.validate(decoded(go.payload))

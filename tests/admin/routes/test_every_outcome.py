"""After any request and any answer that the schemas allow, a GET request to every route is answered.

These tests cover admin/routes and gateway/handlers.
"""

import random

import pytest

from gateway.handlers import OUTCOMES
from gateway.ocpp16.actions import OF_REQUEST
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.remembering import remembering
from tests.support.schema_payloads import generate, schema, to_json

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
ACTIONS = sorted(OF_REQUEST[request].name for request in OUTCOMES)
MESSAGES = 12
READ = (
    *("certificates", "charging-profiles", "configuration", "jobs", "local-list/accepted", "reservations"),
    *(
        "charging-profiles/composite-schedule?connector_id=1",
        "charging-profiles/composite-schedule?connector_id=0",
    ),
)


@pytest.mark.parametrize("action", ACTIONS)
async def test_every_route_that_only_reads_works_whatever_a_charge_point_has_answered(
    api: Api, action: str
) -> None:
    rng = random.Random(action)
    answering, asked = remembering(lambda action, _: generate(schema(f"{action}Response"), rng))
    async with connected(api.store, TENANT, "CP-1", answering):
        for number in range(MESSAGES):
            given = generate(schema(action), rng, full=number % 3 == 0)
            answer = await api.client.post(
                f"{BASE}/commands/{action}",
                content=to_json(given),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 200, answer.text
            assert not any("a fault of ours" in warning for warning in answer.json()["warnings"])
        for path in READ:
            found = await api.client.get(f"{BASE}/{path}")
            assert found.status_code == 200, (path, found.text)
    assert len(asked) == MESSAGES

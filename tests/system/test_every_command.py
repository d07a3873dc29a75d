"""Each of the 26 calls is sent as the operator gave it, with required fields only and with every field."""

import random
from typing import Any

import pytest
import trio

from gateway.ocpp16.actions import Sender, actions_of
from tests.support.charge_point_peer import charge_point
from tests.support.official_schemas import check, read
from tests.support.schema_payloads import generate, required_only, schema, to_json
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]


@pytest.mark.parametrize("kind", ["bare", "whole"])
async def test_a_command_is_sent_exactly_as_the_operator_gave_it(
    central: Central, gateways: Gateways, kind: str
) -> None:
    tenant = central.tenant()
    # The answer does not matter, because this test is about the request.
    refusal = ["NotSupported", "not by this one", {}]
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "cp"), lambda *_: refusal) as cp,
        ):
            for action in actions_of(Sender.CENTRAL_SYSTEM):
                node = schema(action)
                given: Any = generate(node, random.Random(action), full=True)
                if kind == "bare":
                    given = required_only(node, given)
                answer = await api.post(
                    f"/charge-points/cp/commands/{action}",
                    content=to_json(given),
                    headers={"Content-Type": "application/json"},
                )
                assert answer.status_code == 502, answer.text
                assert answer.json()["code"] == "NotSupported"
                _, asked, payload = cp.asked[-1]
                assert asked == action
                arrived = read(to_json(payload))
                assert arrived == read(to_json(given))
                check(action, arrived)
            assert len(cp.asked) == 26

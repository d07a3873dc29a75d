"""A fake session that also stores the effects of its answers, as a gateway does."""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.handlers import OUTCOMES
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.handlers.handler import Answered
from gateway.ocpp16.actions import ACTIONS
from state.commands import Go
from tests.admin.fake_session import Answering, FakeSession

type Serve = Callable[[str, Any], Any]


class Asked(list[tuple[str, Any]]):
    """Action and payload of each call, in order."""


def remembering(serve: Serve) -> tuple[Answering, Asked]:
    """Return two values: a function that answers calls by `serve`, and a list that records these calls.

    `serve` makes the payload of a CALLRESULT, or the JSON of a CALLERROR as bytes.
    """
    asked = Asked()

    async def answer(session: FakeSession, command: str, go: Go) -> None:
        payload = msgspec.json.decode(go.payload)
        asked.append((go.action, payload))
        served = serve(go.action, payload)
        if isinstance(served, bytes):
            await session.refuse(command, served)
            return
        response, action = msgspec.json.encode(served), ACTIONS[go.action]
        request = action.read_request(go.payload)
        if (remember := OUTCOMES.get(type(request))) is not None:
            charge_point = ChargePoint(session.store, session.lease, SessionMemory(300, None))
            await remember(Answered(request, action.read_result(response), command, charge_point))
        await session.answer(command, response)

    return answer, asked

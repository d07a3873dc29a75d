"""Compare the table of handlers with the table of actions."""

import inspect
from typing import get_type_hints

import pytest

from gateway.handlers import HANDLERS
from gateway.ocpp16.actions import ACTIONS, Sender, actions_of


def test_every_action_that_a_charge_point_may_send_has_a_handler() -> None:
    assert set(HANDLERS) == set(actions_of(Sender.CHARGE_POINT))


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_each_handler_takes_the_request_type_and_returns_the_result_type_of_its_action(name: str) -> None:
    handler, action = HANDLERS[name], ACTIONS[name]
    hints = get_type_hints(handler)
    first, _ = inspect.signature(handler).parameters
    assert hints[first] is action.request
    assert hints["return"] is action.result

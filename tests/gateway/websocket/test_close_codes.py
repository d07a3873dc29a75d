"""The types allow only close codes of the table, and each row of the table fits a CLOSE frame."""

from typing import get_type_hints

import pytest
import websockets.frames

from gateway.websocket.close_codes import Close, Violation
from gateway.websocket.connection import Connection


def test_only_the_close_codes_in_the_table_can_be_sent() -> None:
    """With these annotations the type checker refuses any other code or reason."""
    for function in (Connection.close, Violation.__init__):
        assert get_type_hints(function)["close"] is Close


@pytest.mark.parametrize("close", Close)
def test_each_close_code_and_reason_fits_in_a_close_frame_and_each_description_is_a_sentence(
    close: Close,
) -> None:
    reason = close.record("us", 2**31).reason
    assert len(reason.encode()) <= 123
    assert close.when.endswith(".")
    assert close.then.endswith(".")
    if close.code != 1006:  # Code 1006 means that there was no CLOSE frame.
        websockets.frames.Close(close.code, reason).check()

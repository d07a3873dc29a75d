import pytest
import trio

from tests.bench.check.parts import CALIBRATION, PARTS, Part
from tests.bench.check.sessions import open_session
from tests.support.waiting import GENEROUS_S
from tests.support.websocket_frames import text

STATUS = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]'


@pytest.mark.parametrize("part", [CALIBRATION, *PARTS.values()], ids=["calibration", *PARTS])
async def test_a_part_may_be_played_again_and_again(part: Part) -> None:
    with trio.fail_after(GENEROUS_S):
        async with part.open() as prepare:
            for _ in range(2):
                await prepare(50)()


async def test_a_session_whose_last_call_failed_is_not_measured() -> None:
    async with open_session({}) as session:
        await session.exchange([text(STATUS)])
        with pytest.raises(ValueError, match="not a CALLRESULT"):
            session.check()


async def test_a_session_with_a_faulty_message_is_not_measured() -> None:
    async with open_session({"charge_points/connector_status": (b"ok", b"")}) as session:
        await session.exchange([text(STATUS)])
        session.check()
        await session.exchange([text(STATUS.replace('"NoError"', '"noerror"'))])
        with pytest.raises(ValueError, match="counted as faulty"):
            session.check()

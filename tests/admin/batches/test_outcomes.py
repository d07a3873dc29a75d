"""How a batch judges a command by its status and its answer."""

import msgspec
import pytest

from admin.batches.outcomes import Result, judge
from state.commands import Command
from state.commands.table import TABLE, WAITING, Status


def made(status: Status, response: bytes | None = None, error: bytes | None = None) -> Command:
    return Command(
        id="00.x",
        tenant="acme",
        charge_point="CP-1",
        action="Reset",
        status=status,
        response=None if response is None else msgspec.Raw(response),
        error=None if error is None else msgspec.Raw(error),
        created_ms=1,
        deadline_ms=2,
    )


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (b'{"status":"Accepted"}', Result("accepted", "Accepted")),
        (b'{"status":"RebootRequired"}', Result("accepted", "RebootRequired")),
        (b'{"status":"Rejected"}', Result("rejected", "Rejected")),
        (b'{"status":"NotSupported"}', Result("rejected", "NotSupported")),
        (b'{"configurationKey":[]}', Result("accepted")),
        (b'{"data":1e999}', Result("accepted")),
        (b'{"status":7}', Result("accepted")),
        (b'{"status":"Rejected","data":%s}' % (b"9" * 5_000), Result("rejected", "Rejected")),
    ],
)
def test_an_answer_is_judged_by_its_status(response: bytes, result: Result) -> None:
    assert judge(made("answered", response)) == result


def test_a_call_error_has_its_code_as_detail() -> None:
    assert judge(made("error", error=b'{"code":"NotSupported"}')) == Result("call_error", "NotSupported")
    assert judge(made("error", error=b'{"code":7}')) == Result("call_error")
    assert judge(made("error", error=b'{"code":"%s"}' % (b"x" * 99))) == Result("call_error", "x" * 50)


@pytest.mark.parametrize("status", [status for status in TABLE if status not in {"answered", "error"}])
def test_each_other_status_has_its_outcome(status: Status) -> None:
    found = judge(made(status))
    if status in WAITING:
        assert found is None
    else:
        assert (
            found
            == {
                "offline": Result("offline"),
                "busy": Result("not_sent", "busy"),
                "expired": Result("not_sent", "expired"),
                "cancelled": Result("not_sent", "cancelled"),
                "timeout": Result("no_answer", "timeout"),
                "unknown": Result("no_answer", "unknown"),
            }[status]
        )

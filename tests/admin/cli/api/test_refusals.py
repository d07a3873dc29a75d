import json
from typing import Any

import pytest
from trio.testing import MockClock

from admin.cli.api.errors import Refused, TryAgain
from admin.cli.api.refusals import print_refusals
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import one_line


async def test_refusals_of_a_charge_point_and_of_nobody_are_listed(api: Api, run: Run) -> None:
    response = await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-1", json={})
    assert response.status_code == 201
    assert (await run("refusals", "--charge-point", "CP-1")).stdout == "none\n"
    assert (await run("refusals", "--unknown", "-o", "json")).stdout == ""
    assert "exclude each other" in one_line(await run("refusals", "--unknown", "--charge-point", "CP-1"))


async def test_refusals_of_the_tenant_are_listed_or_the_server_is_called_too_old(api: Api, run: Run) -> None:
    """The server of these tests may be of either release."""
    answer = await api.client.get(f"/v1/tenants/{TENANT}/refusals")
    done = await run("refusals")
    if answer.is_success:
        assert done.returncode == 0
    else:
        assert "it has no /v1/tenants/{tenant}/refusals" in one_line(done)


async def test_new_and_changed_refusals_are_followed_while_the_server_comes_and_goes(
    capsys: pytest.CaptureFixture[str], autojump_clock: MockClock
) -> None:
    began = autojump_clock.current_time()
    old, new, again = ({"reason": reason, "times": n} for reason, n in (("a", 1), ("b", 1), ("a", 2)))
    answers: list[list[dict[str, Any]] | Exception] = [
        [old],
        [new, old],
        TryAgain("cannot reach it"),
        [again, new],
        Refused("the key is gone", 401, {}),
    ]

    async def read() -> list[dict[str, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(Refused):
        await print_refusals(read, "json", endless=True)
    printed = capsys.readouterr()
    assert autojump_clock.current_time() > began
    assert [json.loads(line) for line in printed.out.splitlines()] == [old, new, again]
    assert printed.err == "cannot reach it; trying again\n"

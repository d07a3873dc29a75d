import json
from typing import Any

import pytest
from trio.testing import MockClock

from admin.cli.api.errors import Refused, TryAgain
from admin.cli.api.refusals import print_refusals
from state.tenants import refusal_records
from state.tenants.refusal_records import Refusals
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run


async def test_refusals_of_the_tenant_of_an_id_and_of_nobody_are_listed(api: Api, run: Run) -> None:
    """Nobody has registered the id, which may be mistyped."""
    await refuse(api, TENANT, "mistyped")
    await refuse(api, TENANT, "other")
    await refuse(api, None, None)
    assert await listed(run) == ["mistyped", "other"]
    assert await listed(run, "--charge-point", "mistyped") == ["mistyped"]
    assert await listed(run, "--unknown") == [None]
    assert (await run("refusals", "--charge-point", "CP-1")).stdout == "none\n"


async def test_people_read_what_was_wrong_and_what_would_be_right_in_whole_sentences(
    api: Api, run: Run
) -> None:
    await refuse(api, TENANT, "CP-\x1b[2J")
    head, meaning, remedy = (await run("refusals")).stdout.splitlines()
    assert head.split("  ")[1:] == [TENANT, "CP-\\u001b[2J", "192.0.2.7", "wrong_token", "once"]
    assert meaning == "    meaning: The token in the path is not one of the tenant's."
    assert remedy.startswith("    remedy: Put a valid token of the tenant into the address")
    await refuse(api, TENANT, "CP-\x1b[2J")
    assert (await run("refusals")).stdout.splitlines()[0].split("  ")[-1].startswith("2 times since 20")


async def refuse(
    api: Api,
    tenant: str | None,
    claimed: str | None,
    address: str = "192.0.2.7",
    reason: str = "wrong_token",
) -> None:
    now_ms = api.store.server_time_ms()
    refused = Refusals(tenant, claimed, address, reason, 1, now_ms, now_ms, "")
    await refusal_records.record(api.store, [(refused, "stranger")])


async def listed(run: Run, *options: str) -> list[str | None]:
    """Return the ids that the refused handshakes gave."""
    done = await run("refusals", *options, "--output", "json")
    return sorted(json.loads(line)["charge_point"] for line in done.stdout.splitlines())


async def test_refusals_are_filtered_by_the_server(api: Api, run: Run) -> None:
    for charge_point, address in (("CP-1", "192.0.2.1"), ("CP-2", "192.0.2.2")):
        for reason in ("wrong_token", "no_password"):
            await refuse(api, TENANT, charge_point, address, reason)
    await refuse(api, None, "CP-1", "192.0.2.9", "unknown_tenant")

    async def read(*options: str) -> set[tuple[str, str]]:
        done = await run("refusals", "-o", "json", *options)
        assert done.returncode == 0
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return {(one["charge_point"], one["reason"]) for one in found}

    assert await read("--charge-point", "CP-1", "--reason", "wrong_token") == {("CP-1", "wrong_token")}
    assert await read("--address", "192.0.2.2", "--since", "2020-01-01") == {
        ("CP-2", "wrong_token"),
        ("CP-2", "no_password"),
    }
    assert await read("--unknown", "--charge-point", "CP-1") == {("CP-1", "unknown_tenant")}
    assert (await run("refusals", "--charge-point", "CP-3")).stdout == "none\n"


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

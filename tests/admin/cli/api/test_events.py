import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import clean_environment, one_line
from tests.support.waiting import GENEROUS_S

PATH = f"/v1/tenants/{TENANT}/charge-points"


async def register(api: Api, name: str) -> None:
    assert (await api.client.put(f"{PATH}/{name}", json={})).status_code == 201


async def test_events_need_an_end_or_a_place(run: Run) -> None:
    assert "give --follow to wait for events, or --resume-file" in one_line(await run("events"))


async def test_a_run_prints_each_event_since_the_last_run_once(api: Api, run: Run, tmp_path: Path) -> None:
    place = tmp_path / "place"

    async def read(*options: str) -> list[str]:
        done = await run("events", "--resume-file", str(place), "-o", "json", *options)
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line)["charge_point"] for line in done.stdout.splitlines()]

    assert await read() == []
    for name in ("CP-1", "CP-2"):
        await register(api, name)
    assert sorted(await read()) == ["CP-1", "CP-2"]
    assert await read() == []
    for name in ("CP-3", "CP-4"):
        await register(api, name)
    assert await read("--charge-point", "CP-4", "--kind", "charge_point.") == ["CP-4"]


async def test_a_kind_that_does_not_exist_is_refused(run: Run, tmp_path: Path) -> None:
    done = await run("events", "--resume-file", str(tmp_path / "place"), "--kind", "transactoin")
    assert "'transactoin' is not a kind of event" in one_line(done)


async def test_a_place_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.write_text("two\nlines")
    assert "holds no place in a stream" in one_line(await run("events", "--resume-file", str(place)))


@pytest.mark.parametrize("form", ["table", "json"])
async def test_events_are_followed_until_ctrl_c(api: Api, variables: dict[str, str], form: str) -> None:
    argv = [sys.executable, "-m", "admin", "events", "--follow", "--output", form]
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment() | variables
        )
        assert process.stdout is not None
        assert process.stderr is not None

        async def register_many() -> None:
            for number in range(10_000):
                await register(api, f"CP-{number}")
                await trio.sleep(0.1)

        try:
            nursery.start_soon(register_many)
            with trio.fail_after(GENEROUS_S):
                printed = await process.stdout.receive_some()
            nursery.cancel_scope.cancel()
        finally:
            process.send_signal(signal.SIGINT)
    assert await process.wait() == 130
    assert await process.stderr.receive_some() == b""
    first = printed.decode().splitlines()[0]
    if form == "json":
        assert json.loads(first)["kind"] == "charge_point.registered"
    else:
        assert first.split()[1] == "charge_point.registered"

import json

from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import one_line


async def test_a_trace_is_started_and_shown_and_stopped(api: Api, run: Run) -> None:
    response = await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-1", json={})
    assert response.status_code == 201
    assert "There is no such trace" in one_line(await run("trace", "show", "CP-1"))
    started = json.loads((await run("trace", "start", "CP-1", "--minutes", "3", "-o", "json")).stdout)
    assert started["limits"]["minutes"] == 3
    assert started["id"] in (await run("trace", "show", "CP-1")).stdout
    assert (await run("trace", "frames", "CP-1")).stdout == ""
    assert json.loads((await run("trace", "stop", "CP-1", "-o", "json")).stdout)["ended"] == "stopped"
    followed = await run("trace", "follow", "CP-1")
    assert (followed.returncode, followed.stdout) == (0, "")
    assert "the trace has ended" in followed.stderr

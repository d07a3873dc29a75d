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

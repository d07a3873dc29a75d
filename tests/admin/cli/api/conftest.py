"""The command `csms` as a process that asks the API of the tests."""

import subprocess
from functools import partial

import pytest
import trio

from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import csms


@pytest.fixture
def variables(api: Api) -> dict[str, str]:
    """Name the API, a key for all tenants, and the tenant of the test."""
    key = api.client.headers["Authorization"].removeprefix("Bearer ")
    return {"CSMS_API_URL": api.url, "CSMS_API_KEY": key, "CSMS_TENANT": TENANT}


@pytest.fixture
def run(variables: dict[str, str]) -> Run:
    """Run a command to its end."""

    async def run_command(*arguments: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        return await trio.to_thread.run_sync(partial(csms, *arguments, env=variables | changed))

    return run_command

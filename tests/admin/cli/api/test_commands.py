import json
import sys
from pathlib import Path

import pytest

from state.commands import Go
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.admin.fake_session import FakeSession, connected, is_silent, refuses
from tests.support.up_process import one_line

SECRET = '{"key": "AuthorizationKey", "value": "9f2c71d5e08b4a63c1d7"}'
RESET = ("commands", "send", "CP-1", "Reset", '{"type": "Soft"}')


async def rejects(session: FakeSession, command: str, _: Go) -> None:
    await session.answer(command, b'{"status":"Rejected"}')


async def test_the_answer_of_the_charge_point_is_printed(api: Api, run: Run) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        sent = await run(*RESET, "--output", "json")
        assert sent.returncode == 0
        answer = json.loads(sent.stdout)
        assert (answer["status"], answer["response"]) == ("answered", {"status": "Accepted"})
        shown = await run("commands", "show", answer["id"], "--output", "json")
    assert json.loads(shown.stdout)["response"] == {"status": "Accepted"}


async def test_a_charge_point_that_refuses_has_an_exit_code_of_its_own(api: Api, run: Run) -> None:
    async with connected(api.store, TENANT, "CP-1", rejects):
        done = await run(*RESET)
    assert done.returncode == 4
    assert "Rejected" in done.stdout
    assert done.stderr == "csms commands send: CP-1 answered Rejected, so it did not do what it was asked\n"


async def test_a_callerror_and_no_answer_and_no_connection_have_the_same_exit_code(
    api: Api, run: Run
) -> None:
    async with connected(api.store, TENANT, "CP-1", refuses):
        done = await run(*RESET)
        assert done.returncode == 4
        assert "NotSupported" in one_line(done)
    response = await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-2", json={})
    assert response.status_code == 201
    done = await run("commands", "send", "CP-2", *RESET[3:])
    assert done.returncode == 4
    assert "offline" in one_line(done)
    async with connected(api.store, TENANT, "CP-3", is_silent):
        done = await run("commands", "send", "CP-3", *RESET[3:], "--timeout", "1")
        assert done.returncode == 4
        assert "(command " in one_line(done)


async def test_a_command_that_waits_no_longer_is_no_failure(api: Api, run: Run) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent):
        done = await run(*RESET, "--wait", "0", "--idempotency-key", "k", "-o", "json")
        again = await run(*RESET, "--wait", "0", "--idempotency-key", "k", "-o", "json")
    assert done.returncode == again.returncode == 0
    assert json.loads(done.stdout)["id"] == json.loads(again.stdout)["id"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["{"], "the payload is not a JSON object"),
        (["[]"], "the payload is not a JSON object"),
        (['{"type": "Warm"}'], "must be Hard or Soft"),
        (['{"type": "Soft"}', "--payload-file", "x"], "the payload is given twice"),
        (["--payload-file", sys.executable], f"{sys.executable} is not a JSON object"),
        (["--payload-file", "/nonexistent"], "cannot use /nonexistent: No such file or directory"),
        (["{}", "--idempotency-key", "a b"], "--idempotency-key must have printable ASCII"),
    ],
)
async def test_a_wrong_payload_is_refused_in_one_line(run: Run, arguments: list[str], error: str) -> None:
    done = await run("commands", "send", "CP-1", "Reset", *arguments)
    assert done.returncode == 1
    assert error in one_line(done)


async def test_a_secret_goes_through_a_file_and_is_never_printed(api: Api, run: Run, tmp_path: Path) -> None:
    secret = json.loads(SECRET)["value"]
    send = ("commands", "send", "CP-1", "ChangeConfiguration")
    refused = one_line(await run(*send, SECRET))
    assert "the payload holds a secret" in refused
    assert secret not in refused
    assert "with --payload-file" in refused
    (tmp_path / "payload").write_text(SECRET)
    async with connected(api.store, TENANT, "CP-1"):
        done = await run(*send, "--payload-file", str(tmp_path / "payload"))
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr


async def test_the_commands_of_a_charge_point_are_listed_or_the_server_is_called_too_old(
    api: Api, run: Run
) -> None:
    """The server of these tests may be of either release."""
    path = "/v1/tenants/{tenant}/charge-points/{charge_point}/commands"
    known = path in (await api.client.get("/openapi.json")).json()["paths"]
    async with connected(api.store, TENANT, "CP-1"):
        await run(*RESET)
        done = await run("commands", "list", "CP-1")
    if known:
        assert "Reset" in done.stdout
    else:
        assert f"is too old for this: it has no {path}" in one_line(done)


async def test_a_command_for_an_offline_charge_point_waits_and_is_cancelled(api: Api, run: Run) -> None:
    await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-1", json={})
    sent = await run(*RESET, "--when", "online", "--online-within", "60", "--output", "json")
    assert sent.returncode == 0
    answer = json.loads(sent.stdout)
    assert (answer["status"], answer["when"]) == ("waiting", "online")
    listed = await run("commands", "list", "CP-1")
    assert "waiting" in listed.stdout
    cancelled = await run("commands", "cancel", answer["id"], "--output", "json")
    assert json.loads(cancelled.stdout)["status"] == "cancelled"
    again = await run("commands", "cancel", answer["id"])
    assert again.returncode == 0


async def test_a_command_that_was_sent_already_is_not_cancelled(api: Api, run: Run) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        sent = await run(*RESET, "--when", "online", "--wait", "60", "--output", "json")
        assert json.loads(sent.stdout)["status"] == "answered"
        done = await run("commands", "cancel", json.loads(sent.stdout)["id"])
    assert done.returncode == 4
    assert "was sent already" in one_line(done)

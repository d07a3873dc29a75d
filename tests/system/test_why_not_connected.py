"""An operator finds out over the API why a charge point does not connect, and what to do about it."""

import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.csms_up import Running
from tests.support.raw_upgrade import upgrade
from tests.support.waiting import wait_until


@pytest.fixture
def api(running: Running) -> Iterator[httpx.Client]:
    with running.api() as found:
        yield found


def find(api: httpx.Client, path: str, reason: str) -> dict[str, Any]:
    """Return the latest record with a reason. Wait until there is one."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = api.get(path).raise_for_status().json()["items"]
        return any(one["reason"] == reason for one in found)

    wait_until(is_there, lambda: [one["reason"] for one in found])
    return next(one for one in found if one["reason"] == reason)


def tell(record: dict[str, Any]) -> str:
    assert record["address"] == "127.0.0.1"
    assert record["times"] >= 1
    assert record["first_at"] <= record["last_at"]
    return f"{record['meaning']} {record['remedy']}"


def s_client(running: Running, *options: str) -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{urlsplit(running.wss).port}", *options]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    return ended.stderr


@pytest.mark.parametrize(
    ("broken", "path", "protocols", "reason", "words"),
    [
        ("wrong token", "/OCPP16/{tenant}/wrong/{id}", "ocpp1.6", "wrong_token", "Put a valid token"),
        ("wrong path", "/OCPP16/{tenant}/{token}", "ocpp1.6", "bad_path", "Set the address"),
        ("wrong subprotocol", "/OCPP16/{tenant}/{token}/{id}", "ocpp2.0.1", "no_subprotocol", "OCPP 1.6-J"),
    ],
)
def test_a_charge_point_with_a_wrong_address_or_protocol_is_in_the_list_of_its_tenant(
    running: Running, api: httpx.Client, broken: str, path: str, protocols: str, reason: str, words: str
) -> None:
    id_ = f"broken-{broken.replace(' ', '-')}"
    upgrade(
        running.ws,
        path=path.format(tenant=running.tenant, token=running.token, id=id_),
        protocols=protocols,
    )
    record = find(api, f"/refusals?reason={reason}", reason)
    assert words in tell(record)
    assert record["charge_point"] == (None if reason == "bad_path" else id_)
    assert running.token not in str(record)


def test_a_wrong_id_is_in_the_list_if_the_tenant_registers_nobody_by_itself(
    running: Running, api: httpx.Client
) -> None:
    tenants = f"{running.admin}/v1/tenants"
    assert api.put(f"{tenants}/closed", json={"auto_register": False}).status_code in {200, 201}
    token = api.post(f"{tenants}/closed/tokens", json={}).json()["secret"]
    assert upgrade(running.ws, path=f"/OCPP16/closed/{token}/CP-l").status == 404
    record = find(api, f"{tenants}/closed/refusals?charge_point=CP-l", "unknown_charge_point")
    assert "correct the id" in tell(record)


def test_a_strict_and_sloppy_charge_point_is_told_what_would_have_to_be_repaired(
    running: Running, api: httpx.Client
) -> None:
    assert api.put("/charge-points/sloppy", json={"strict": True}).status_code in {200, 201}
    path = f"//OCPP16/{running.tenant}/{running.token}/sloppy"
    assert upgrade(running.ws, path=path).status == 400
    record = find(api, "/refusals?charge_point=sloppy", "needs_repair")
    assert "`strict`" in tell(record)
    assert "slash" in record["detail"]


def test_a_charge_point_that_is_locked_out_is_told_so_and_why(running: Running, api: httpx.Client) -> None:
    path = f"/OCPP16/{running.tenant}/wrong/locked-out"
    wait_until(lambda: upgrade(running.ws, path=path).status == 429)
    assert "Correct the token" in tell(find(api, "/refusals?charge_point=locked-out", "too_many_failures"))
    assert "Put a valid token" in tell(find(api, "/refusals?charge_point=locked-out", "wrong_token"))


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        (
            ("-servername", "localhost", "-verify_return_error", "-verify", "5"),
            "server_certificate_untrusted",
            "Install the root certificate",
        ),
        (("-noservername",), "server_name_missing", "host name"),
        (("-servername", "elsewhere.example"), "server_name_wrong", "Correct the host"),
        (
            ("-servername", "localhost", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
            "tls_too_old",
            "Update the firmware",
        ),
    ],
)
def test_a_charge_point_whose_tls_fails_is_in_the_list_of_what_names_no_tenant(
    running: Running, api: httpx.Client, options: tuple[str, ...], reason: str, words: str
) -> None:
    s_client(running, *options)
    record = find(api, f"{running.admin}/v1/refusals?reason={reason}&address=127.0.0.1", reason)
    assert words in tell(record)
    assert (record["tenant"], record["charge_point"]) == (None, None)

"""schemathesis finds no difference between /openapi.json and a real `csms admin` process.

These tests cover admin/http/openapi.py and admin/app.py. schemathesis.toml has the exclusions, each with its
reason.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from schemathesis import checks

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.up_process import UpProcess, clean_environment, up
from tests.support.waiting import GENEROUS_S

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests/admin/schemathesis.toml"
CHARGE_POINT, TAG, VENDOR = "CP-1", "04A2B3C4D5", "com.example"
"""The examples of the document name these."""
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
    },
}
VALUES = [{"timestamp": now(), "sampledValue": [{"value": "120"}]}]
MESSAGES: dict[str, Any] = {
    "BootNotification": {"chargePointVendor": "Acme", "chargePointModel": "One"},
    "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "DataTransfer": {"vendorId": VENDOR, "data": "1"},
    "FirmwareStatusNotification": {"status": "Idle"},
    "SecurityEventNotification": {"type": "SettingSystemTime", "timestamp": now()},
    "MeterValues": {"connectorId": 1, "meterValue": VALUES},
}
OPERATORS_OWN = r"^/v1/tenants/\{tenant\}(/(tokens|id-tags|charge-points|transactions)(/[^/]+)?)?$"
"""Paths of what operators make, and of transactions."""


def prepare(started: UpProcess) -> dict[str, str]:
    """Make a charge point with some history, and return names that exist, by the part of the path."""
    return trio.run(partial(_prepare, started.said))


async def _prepare(said: dict[str, Any]) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {said['api_key']}"}
    base = f"{said['admin']}/v1/tenants/{said['tenant']}"
    url = f"{said['ws']}/OCPP16/{said['tenant']}/{said['token']}/{CHARGE_POINT}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=GENEROUS_S) as api:
        settings = {f"id-tags/{TAG}": {"max_active_transactions": 1}, f"data-transfer-vendors/{VENDOR}": {}}
        for path, content in settings.items():
            assert (await api.put(path, json=content)).is_success
        async with charge_point(url, _answer) as peer:
            transaction = await _send_facts(peer)
            job = await _send_commands(api)

        async def read_id(path: str) -> str:
            (found,) = (await api.get(path)).json()["items"]
            return str(found["id"])

        return {
            "tenant": said["tenant"],
            "charge_point": CHARGE_POINT,
            "tag": TAG,
            "vendor": VENDOR,
            "transaction": f"{CHARGE_POINT}.{transaction}",
            "orphan": await read_id(f"charge-points/{CHARGE_POINT}/orphaned-stops"),
            "hold": await read_id(f"id-tags/{TAG}/holds"),
            "job": job,
            "command": job,
            "reservation": "7",
            "charging_profile": "1",
        }


def _answer(action: str, _payload: Any) -> Any:
    return {} if action == "GetDiagnostics" else {"status": "Accepted"}


async def _send_facts(peer: Peer) -> int:
    """Leave a transaction, an orphaned stop and some messages, and return the id of an open transaction."""
    for action, payload in MESSAGES.items():
        await peer.call(action, payload)
    first = (await peer.start(tag=TAG))["transactionId"]
    await peer.call("MeterValues", {"connectorId": 1, "transactionId": first, "meterValue": VALUES})
    await peer.stop(first)
    await peer.stop(first + 1_000)
    return int((await peer.start(tag=TAG))["transactionId"])


async def _send_commands(api: httpx.AsyncClient) -> str:
    """Leave a reservation, a charging profile and a job, and return the id of the job."""
    own = f"charge-points/{CHARGE_POINT}"
    reservation = {
        "connector_id": 1,
        "id_tag": TAG,
        "expiry_date": "2099-01-01T00:00:00Z",
        "reservation_id": 7,
    }
    assert (await api.post(f"{own}/reservations", json=reservation)).is_success
    profile = {"connectorId": 1, "csChargingProfiles": PROFILE}
    assert (await api.put(f"{own}/charging-profiles/1", json=profile)).is_success
    job = await api.post(f"{own}/jobs", json={"action": "GetDiagnostics", "payload": {"location": "ftp://x"}})
    assert job.is_success
    return str(job.json()["id"])


def attack(started: UpProcess, existing: dict[str, str], *options: str) -> None:
    """Run schemathesis, and print what it found."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG)),
            *("run", f"{started.said['admin']}/openapi.json", "--seed", "1", *options),
            *("-H", f"Authorization: Bearer {started.said['api_key']}"),
        ],
        cwd=started.said["data_dir"],  # schemathesis keeps a cache of failures in its directory.
        env=clean_environment() | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_EXISTING": json.dumps(existing)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert started.process.poll() is None


def attack_all(data_dir: Path, attacks: Sequence[Sequence[str]]) -> None:
    with up(data_dir) as started:
        existing = prepare(started)
        for options in attacks:
            attack(started, existing, *options)


def test_every_check_of_schemathesis_is_on_but_one_that_has_a_reason() -> None:
    checks.load_all_checks()
    configured = tomllib.loads(CONFIG.read_text())["checks"]
    assert configured["enabled"] is False
    on = {name for name, check in configured.items() if isinstance(check, dict) and check["enabled"]}
    assert on == {*checks.CHECKS.get_all_names()} - {"object_level_authorization"}


def test_the_examples_of_each_operation_and_the_edges_of_what_operators_make_get_described_answers(
    tmp_path: Path,
) -> None:
    edges = ("--phases", "coverage", "--include-path-regex", OPERATORS_OWN)
    attack_all(tmp_path / "data", [("--phases", "examples"), edges])


@pytest.mark.slow
def test_random_requests_and_chains_of_requests_get_only_answers_that_the_openapi_document_describes(
    tmp_path: Path,
) -> None:
    phases = "examples,coverage,fuzzing,stateful"
    attack_all(tmp_path / "data", [("--phases", phases, "--max-examples", "20")])

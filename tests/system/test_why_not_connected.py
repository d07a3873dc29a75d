"""An operator finds out why a charge point does not connect, and what to do: over the API and with `csms`.

Each charge point is broken in one way, and fails to connect to real processes. What troubles a charge point
that connects is in test_what_troubles.py.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.csms_up import Running
from tests.support.raw_upgrade import upgrade
from tests.support.up_process import csms
from tests.support.waiting import wait_until

CLOSED = "closed"
"""A tenant that registers no charge point by itself."""
NOBODY = None
type Owner = str | None
"""The tenant that sees a refusal, or NOBODY if the handshake named none."""


class Scene:
    """The running system, as the charge points and an operator see it."""

    def __init__(self, running: Running, api: httpx.Client) -> None:
        self.running = running
        self.api = api
        tenants = f"{running.admin}/v1/tenants"
        assert api.put(f"{tenants}/{CLOSED}", json={"auto_register": False}).status_code in {200, 201}
        self.closed_token = api.post(f"{tenants}/{CLOSED}/tokens", json={}).json()["secret"]

    def register(self, name: str, **settings: Any) -> None:
        assert self.api.put(f"/charge-points/{name}", json=settings).status_code in {200, 201}

    def upgrade(self, path: str, protocols: str = "ocpp1.6") -> int:
        """Send a request whose path may name the `{tenant}` and its `{token}`. Return the status."""
        tenant, token = self.running.tenant, self.running.token
        path = path.format(tenant=tenant, token=token, closed=CLOSED, closed_token=self.closed_token)
        return upgrade(self.running.ws, path=path, protocols=protocols).status

    def shake_hands(self, *options: str) -> None:
        """Begin TLS with the client of OpenSSL."""
        port = urlsplit(self.running.wss).port
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)

    def list_refusals(self, owner: Owner) -> list[dict[str, Any]]:
        path = f"/v1/tenants/{owner}/refusals" if owner else "/v1/refusals"
        answer = self.api.get(f"{self.running.admin}{path}", params={"limit": 1000}).raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def csms(self, *arguments: str, tenant: str | None = None) -> str:
        """Return what a command prints for people."""
        environ = {
            "CSMS_API_URL": self.running.admin,
            "CSMS_API_KEY": self.running.api_key,
            "CSMS_TENANT": tenant or self.running.tenant,
        }
        done = csms(*arguments, env=environ)
        assert done.returncode == 0, done.stderr
        return done.stdout


# --- The charge points ---


def have_a_wrong_token(scene: Scene) -> None:
    scene.register("wrong-token")
    assert scene.upgrade("/OCPP16/{tenant}/wrong/wrong-token") == 401


def have_a_wrong_id(scene: Scene) -> None:
    assert scene.upgrade("/OCPP16/{closed}/{closed_token}/CP-l") == 404


def have_a_wrong_path(scene: Scene) -> None:
    assert scene.upgrade("/OCPP16/{tenant}/{token}") == 400


def have_a_wrong_subprotocol(scene: Scene) -> None:
    scene.register("wrong-subprotocol")
    assert scene.upgrade("/OCPP16/{tenant}/{token}/wrong-subprotocol", "ocpp2.0.1") == 400


def be_strict_and_sloppy(scene: Scene) -> None:
    scene.register("strict", strict=True)
    assert scene.upgrade("//OCPP16/{tenant}/{token}/strict") == 400


def be_locked_out(scene: Scene) -> None:
    scene.register("locked-out")
    wait_until(lambda: scene.upgrade("/OCPP16/{tenant}/wrong/locked-out") == 429)


def have_no_trust(scene: Scene) -> None:
    scene.shake_hands("-servername", "localhost", "-verify_return_error", "-verify", "5")


def name_no_server(scene: Scene) -> None:
    scene.shake_hands("-noservername")


def name_a_wrong_server(scene: Scene) -> None:
    scene.shake_hands("-servername", "elsewhere.example")


def have_old_tls(scene: Scene) -> None:
    scene.shake_hands("-servername", "localhost", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")


class Broken(NamedTuple):
    """`play` fails to connect. `words` are in the remedy that the operator reads."""

    play: Callable[[Scene], None]
    reason: str
    words: str
    charge_point: str | None = None
    owner: Owner = "demo"


BROKEN = {
    "wrong token": Broken(have_a_wrong_token, "wrong_token", "Put a valid token", "wrong-token"),
    "wrong id": Broken(have_a_wrong_id, "unknown_charge_point", "correct the id", "CP-l", CLOSED),
    "wrong path": Broken(have_a_wrong_path, "bad_path", "Set the address"),
    "wrong subprotocol": Broken(
        have_a_wrong_subprotocol, "no_subprotocol", "OCPP 1.6-J", "wrong-subprotocol"
    ),
    "strict and sloppy": Broken(be_strict_and_sloppy, "needs_repair", "`strict`", "strict"),
    "locked out": Broken(be_locked_out, "too_many_failures", "Correct the token", "locked-out"),
    "no trust": Broken(
        have_no_trust, "server_certificate_untrusted", "Install the root certificate", owner=NOBODY
    ),
    "no SNI": Broken(name_no_server, "server_name_missing", "Put a host name", owner=NOBODY),
    "wrong SNI": Broken(name_a_wrong_server, "server_name_wrong", "Correct the host", owner=NOBODY),
    "old TLS": Broken(have_old_tls, "tls_too_old", "Update the firmware", owner=NOBODY),
}
each_broken = pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
REGISTERED = ("wrong token", "wrong subprotocol", "strict and sloppy", "locked out")


# --- The operator ---


class Refusals(NamedTuple):
    """What the operator reads of each owner's refusals: over the API, and with `csms refusals`."""

    records: dict[Owner, list[dict[str, Any]]]
    printed: dict[Owner, str]

    def find(self, broken: Broken) -> dict[str, Any]:
        [found] = [one for one in self.records[broken.owner] if is_of(one, broken)]
        return found


def is_of(record: dict[str, Any], broken: Broken) -> bool:
    return (record["reason"], record["charge_point"]) == (broken.reason, broken.charge_point)


@pytest.fixture(scope="module")
def scene(running: Running) -> Iterator[Scene]:
    with running.api() as api:
        yield Scene(running, api)


@pytest.fixture(scope="module")
def refused(scene: Scene) -> Refusals:
    """Let each charge point fail, and read what csms says when all refusals are listed."""
    for broken in BROKEN.values():
        broken.play(scene)
    records: dict[Owner, list[dict[str, Any]]] = {}

    def find_missing() -> list[str]:
        records.update({owner: scene.list_refusals(owner) for owner in ("demo", CLOSED, NOBODY)})
        return [
            name
            for name, broken in BROKEN.items()
            if not any(is_of(one, broken) for one in records[broken.owner])
        ]

    wait_until(lambda: not find_missing(), find_missing)
    printed: dict[Owner, str] = {NOBODY: scene.csms("refusals", "--unknown", "--all")}
    for owner in ("demo", CLOSED):
        printed[owner] = scene.csms("refusals", "--all", tenant=owner)
    return Refusals(records, printed)


@each_broken
def test_a_refusal_says_what_was_wrong_and_what_would_be_right(
    scene: Scene, refused: Refusals, broken: Broken
) -> None:
    record = refused.find(broken)
    assert record["tenant"] == broken.owner
    assert record["address"] == "127.0.0.1"
    assert record["times"] >= 1
    assert record["first_at"] <= record["last_at"]
    assert record["meaning"].endswith(".")
    assert broken.words in record["remedy"]
    assert scene.running.token not in str(record)


@each_broken
def test_the_command_line_says_the_same(refused: Refusals, broken: Broken) -> None:
    """Each refusal is a line, with indented lines below it."""
    record = refused.find(broken)
    shown = [broken.reason, record["meaning"], record["remedy"], record["detail"], broken.charge_point or ""]
    printed = re.split(r"\n(?! )", refused.printed[broken.owner])
    assert any(all(part in refusal for part in shown) for refusal in printed), shown


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.usefixtures("refused")
def test_a_registered_charge_point_shows_that_it_was_refused_and_where_to_read_why(
    scene: Scene, name: str
) -> None:
    id_ = BROKEN[name].charge_point
    [trouble] = scene.api.get(f"/charge-points/{id_}").raise_for_status().json()["troubles"]
    assert trouble["kind"] == "refused"
    assert f"for the reason {BROKEN[name].reason}, from 127.0.0.1" in trouble["detail"]
    assert "GET .../charge-points/{id}/refusals" in trouble["what_to_do"]
    reasons = scene.api.get(f"/charge-points/{id_}/refusals").raise_for_status().json()["items"]
    assert BROKEN[name].reason in {one["reason"] for one in reasons}


def test_a_strict_charge_point_is_told_what_it_would_have_to_do_right(refused: Refusals) -> None:
    assert "slash" in refused.find(BROKEN["strict and sloppy"])["detail"]


@pytest.mark.usefixtures("refused")
def test_the_wrong_token_of_a_charge_point_that_is_locked_out_is_listed_too(scene: Scene) -> None:
    reasons = {one["reason"] for one in scene.list_refusals("demo") if one["charge_point"] == "locked-out"}
    assert reasons == {"too_many_failures", "wrong_token"}


@pytest.mark.usefixtures("refused")
def test_troubles_on_the_command_line_show_a_refused_charge_point_and_one_that_never_connected(
    scene: Scene,
) -> None:
    """A charge point whose TLS fails does not say its id, so nothing can be listed with it."""
    shown = scene.csms("charge-points", "troubles", "wrong-token")
    assert "refused once for the reason wrong_token" in shown
    assert "GET .../charge-points/{id}/refusals says what was wrong" in shown
    scene.register("fails-in-tls")
    assert "csms refusals --unknown" in scene.csms("charge-points", "troubles", "fails-in-tls")

"""Passwords, security profiles and tokens, over real sockets with a client that shares no code with csms.

tests/conformance plays the certification cases. The tests here play what the cases leave out: the habits of
makes, every outcome of a password change, and tokens that are retired while sessions are live.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.support.basic_client import Site, Station, call, receive_call, site, wait_closed
from tests.support.charge_point_peer import charge_point
from tests.support.csms_up import Running
from tests.support.raw_upgrade import basic
from tests.support.waiting import wait_until
from tests.system.central import Central, Process

HABITS: dict[str, Callable[[str], bytes]] = {
    "hex text (libocpp)": str.encode,
    "upper-case hex text": lambda key: key.upper().encode(),
    "decoded bytes (open-ocpp)": bytes.fromhex,
    "plain text": str.encode,
}


def new_key(make: str = "") -> str:
    """Return a random key. The charge points with plain text get 20 characters that are not hexadecimal."""
    return (
        secrets.token_hex(10).translate(str.maketrans("0123", "WxYz"))
        if make == "plain text"
        else (secrets.token_hex(20))
    )


@pytest.fixture
def ours(running: Running) -> Iterator[Site]:
    with site(running, f"t{secrets.token_hex(4)}") as found:
        yield found


def answer(connection: ClientConnection, status: str | None) -> str:
    """Answer the next call of csms, and return the key that it carries. None stands for a CALLERROR."""
    id_, action, payload = receive_call(connection)
    assert (action, payload["key"]) == ("ChangeConfiguration", "AuthorizationKey")
    error = [4, id_, "InternalError", "no", {}]
    connection.send(json.dumps(error if status is None else [3, id_, {"status": status}]))
    return str(payload["value"])


# --- The habits of makes ---


@pytest.mark.parametrize("profile", [1, 2])
@pytest.mark.parametrize("make", HABITS)
def test_each_make_comes_in_with_its_habit_and_changes_its_password(
    ours: Site, make: str, profile: int
) -> None:
    old, new = new_key(make), new_key(make)
    station = ours.station("CP 1", old, HABITS[make])
    assert station.floor() == 0
    with station.connected(old, profile=profile) as connection:
        assert station.floor() == profile, "the first success raises the floor"
        command = station.change(new)
        assert answer(connection, "Accepted") == new
        station.wait_command(command, "answered")
        assert call(connection, "Heartbeat", {}), "the connection stays open"
        # The old password is refused at once, and not only after the reconnect.
        assert station.status(old, profile=profile) == 401
        assert call(connection, "Heartbeat", {})
    assert station.status(new, profile=profile) == 101
    assert station.status(None, profile=profile) == 401
    assert station.status(new_key(make), profile=profile) == 401


def test_the_floor_rises_with_each_success_and_only_an_operator_lowers_it(ours: Site) -> None:
    key = new_key()
    station = ours.station("CP-1", key)
    for profile, shown, status, floor in (
        (0, None, 101, 0),
        (1, key, 101, 1),
        (0, None, 401, 1),
        (2, key, 101, 2),
        (1, key, 403, 2),
        (0, None, 401, 2),
        (2, new_key(), 401, 2),
    ):
        assert station.status(shown, profile=profile) == status, (profile, shown)
        assert station.floor() == floor
    lowered = ours.api.patch(f"{station.path}/security", json={"security_profile": 0})
    assert lowered.json()["security_profile"] == 0
    assert station.status(None, profile=0) == 101
    reasons = ours.api.get(f"{station.path}/refusals")

    def has_all() -> bool:
        found = ours.api.get(f"{station.path}/refusals").json()["items"]
        return {one["reason"]: one["times"] for one in found} == {
            "no_password": 2,
            "profile_too_low": 1,
            "wrong_password": 1,
        }

    wait_until(has_all, lambda: reasons.text)


# --- The outcomes of a password change ---


@pytest.mark.parametrize(
    ("status", "right"),
    [("Accepted", ["new"]), ("Rejected", ["old"]), ("NotSupported", ["old"])],
)
def test_an_answer_that_decides_leaves_one_password(ours: Site, status: str, right: list[str]) -> None:
    old, new = new_key(), new_key()
    station = ours.station("CP-1", old, profile=1)
    with station.connected(old) as connection:
        command = station.change(new)
        answer(connection, status)
        station.wait_command(command, "answered")
    found = [name for name, key in (("old", old), ("new", new)) if station.status(key) == 101]
    assert found == right


def silent(connection: ClientConnection, station: Station, command: str) -> None:
    receive_call(connection)
    station.wait_command(command, "timeout")


def leaves(connection: ClientConnection, station: Station, command: str) -> None:
    receive_call(connection)
    connection.close()
    station.wait_command(command, "unknown")


def errs(connection: ClientConnection, station: Station, command: str) -> None:
    answer(connection, None)
    station.wait_command(command, "error")


type Loses = Callable[[ClientConnection, Station, str], None]


@pytest.mark.parametrize("used", ["old", "new"])
@pytest.mark.parametrize("loses", [silent, leaves, errs], ids=["timeout", "connection lost", "CALLERROR"])
def test_after_an_unknown_outcome_the_first_password_that_is_used_is_the_right_one(
    ours: Site, loses: Loses, used: str
) -> None:
    keys = {"old": new_key(), "new": new_key()}
    station = ours.station("CP-1", keys["old"], profile=1)
    with station.connected(keys["old"]) as connection:
        command = station.change(keys["new"], timeout_s=1 if loses is silent else 60)
        loses(connection, station, command)
    other = "new" if used == "old" else "old"
    assert station.status(keys[used]) == 101
    assert station.status(keys[other]) == 401
    assert station.status(keys[used]) == 101


def test_a_charge_point_that_needs_a_reboot_may_use_its_old_password_until_it_uses_the_new_one(
    ours: Site,
) -> None:
    old, new = new_key(), new_key()
    station = ours.station("CP-1", old, profile=1)
    with station.connected(old) as connection:
        command = station.change(new)
        answer(connection, "RebootRequired")
        station.wait_command(command, "answered")
    assert [station.status(key) for key in (old, old, new, old)] == [101, 101, 101, 401]


def test_two_changes_one_after_the_other_leave_the_second_password(ours: Site) -> None:
    keys = [new_key() for _ in range(3)]
    station = ours.station("CP-1", keys[0], profile=1)
    with station.connected(keys[0]) as connection:
        commands = [station.change(key) for key in keys[1:]]
        assert answer(connection, "Accepted") == keys[1]
        station.wait_command(commands[0], "answered")
        assert station.status(keys[0]) == 401
        assert answer(connection, "Accepted") == keys[2]
        station.wait_command(commands[1], "answered")
    assert [station.status(key) for key in keys] == [401, 401, 101]


def test_a_queued_change_reaches_the_charge_point_after_a_reconnect_between_two_changes(ours: Site) -> None:
    """The reconnect decides the first change, and must not forget the password of the second one."""
    keys = [new_key() for _ in range(3)]
    station = ours.station("CP-1", keys[0], profile=1)
    with station.connected(keys[0]) as connection:
        commands = [station.change(key) for key in keys[1:]]
        receive_call(connection)
    station.wait_command(commands[0], "unknown")
    with station.connected(keys[0]) as connection:
        assert answer(connection, "Accepted") == keys[2]
        station.wait_command(commands[1], "answered")
    assert [station.status(key) for key in keys] == [401, 401, 101]


def test_a_password_that_an_operator_sets_while_a_change_is_on_its_way_does_not_lock_the_charge_point_out(
    ours: Site,
) -> None:
    old, new, meanwhile = new_key(), new_key(), new_key()
    station = ours.station("CP-1", old, profile=1)
    with station.connected(old) as connection:
        command = station.change(new)
        id_, *_ = receive_call(connection)
        ours.api.put(f"{station.path}/authorization-key", json={"value": meanwhile})
        assert station.status(new) == 401
        connection.send(json.dumps([3, id_, {"status": "Accepted"}]))
        station.wait_command(command, "answered")
    assert [station.status(key) for key in (old, meanwhile, new)] == [401, 401, 101]


@pytest.mark.parametrize("used", [pytest.param("old", marks=pytest.mark.slow), "new"])
async def test_both_passwords_are_right_after_the_gateway_was_killed_between_write_and_answer(
    central: Central, gateways: tuple[Process, Process], used: str
) -> None:
    tenant, keys = central.tenant(), {"old": secrets.token_hex(20), "new": secrets.token_hex(20)}

    def header(name: str) -> str:
        return basic("cp", bytes.fromhex(keys[name]))

    async with tenant.api() as api:
        await api.put("/charge-points/cp", json={})
        await api.put("/charge-points/cp/authorization-key", json={"value": keys["old"]})
        await api.patch("/charge-points/cp/security", json={"security_profile": 1})
        async with (
            central.gateway() as dying,
            charge_point(tenant.url(dying, "cp"), lambda _action, _payload: None, header=header("old")) as cp,
        ):
            body = {"key": "AuthorizationKey", "value": keys["new"]}
            sent = await api.post(
                "/charge-points/cp/commands/ChangeConfiguration?wait=0&timeout=60", json=body
            )
            await cp.wait_asked()
            dying.kill()
        async with charge_point(tenant.url(gateways[0], "cp"), header=header(used)) as cp:
            await cp.call("Heartbeat", {})
            shown: Any = None
            while shown != "unknown":
                shown = (await api.get(f"/commands/{sent.json()['id']}")).json()["status"]
        async with charge_point(tenant.url(gateways[0], "cp"), header=header(used)) as cp:
            await cp.call("Heartbeat", {})
        refused = await api.get("/charge-points/cp/security")
        assert refused.json()["next_passwords"] == []


# --- Tokens ---


def test_a_retired_token_ends_the_sessions_that_have_no_other_proof_and_keeps_the_others(ours: Site) -> None:
    key = new_key()
    bare, proven = ours.station("bare", None), ours.station("proven", key)
    with bare.connected(None) as open_, proven.connected(key, profile=2) as closed:
        done = ours.api.patch(f"/tokens/{ours.token_id}", json={"retired": True})
        assert done.status_code == 204
        assert wait_closed(open_) == 1008
        assert call(closed, "Heartbeat", {})
        assert bare.status(None) == 401
        assert proven.status(key, profile=2) == 101
        ours.api.patch(f"/tokens/{ours.token_id}", json={"retired": False})
        assert bare.status(None) == 101


def test_a_revoked_token_ends_every_session_and_opens_nothing_again(ours: Site) -> None:
    key = new_key()
    bare, proven = ours.station("bare", None), ours.station("proven", key)
    with bare.connected(None) as open_, proven.connected(key, profile=2) as closed:
        assert ours.api.delete(f"/tokens/{ours.token_id}").status_code == 204
        assert wait_closed(open_) == wait_closed(closed) == 1008
    assert bare.status(None) == proven.status(key, profile=2) == 401


def test_a_token_that_is_bound_to_a_charge_point_opens_no_other_one(ours: Site) -> None:
    one, other = ours.station("one", None), ours.station("other", None)
    token = ours.api.post("/tokens", json={"charge_point": "one"}).json()["secret"]
    assert (one.status(None, token=token), other.status(None, token=token)) == (101, 401)


# --- The floor of a tenant ---


def test_where_the_tenant_demands_a_password_an_unknown_id_gets_the_answer_of_a_wrong_password(
    running: Running,
) -> None:
    key = new_key()
    settings = {"auto_register": True, "security_profile": 1}
    with site(running, f"t{secrets.token_hex(4)}", **settings) as strict:
        known, unknown = strict.station("known", key), Station(strict, "unknown")
        assert known.status(key) == 101
        assert known.status(new_key()) == unknown.status(new_key()) == 401
        assert known.status(None) == unknown.status(None) == 401
        assert strict.api.get("/charge-points/unknown").status_code == 404

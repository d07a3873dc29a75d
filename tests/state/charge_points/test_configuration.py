"""A charge point's configuration is stored by key, within limits and without secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16.configuration_keys import KEYS as KEYS_OF_OCPP
from gateway.service.secrets import WORDS, names_secret
from state import charge_points
from state.charge_points import Settings, configuration
from state.charge_points.configuration import KEPT, MASK, Configuration, ReportedKey, Setting
from state.store import Store
from tests.support.leases import KEYS, claimed

NAME = ("acme", "CP-1")
SECRET = "00112233445566778899AABBCCDDEEFF"


@pytest.fixture
async def store(store: Store) -> Store:
    """Register the charge point in the store."""
    await charge_points.put(store, *NAME, Settings())
    return store


async def values(store: Store) -> dict[str, str | None]:
    return {one.key: one.value for one in (await configuration.get(store, *NAME)).settings}


async def find(store: Store, key: str) -> Setting:
    found = (await configuration.get(store, *NAME)).find(key)
    assert found is not None
    return found


async def test_the_stored_configuration_of_a_charge_point_is_empty_before_the_first_report(
    store: Store,
) -> None:
    assert await configuration.get(store, *NAME) == Configuration((), None)


async def test_a_full_report_replaces_all_keys_and_a_partial_report_replaces_only_the_reported_keys(
    store: Store,
) -> None:
    reported = [
        ReportedKey("HeartbeatInterval", "300", readonly=False),
        ReportedKey("NumberOfConnectors", "2", readonly=True),
    ]
    await configuration.learn(store, KEYS, reported, ["Nothing"], complete=False)
    found = await configuration.get(store, *NAME)
    assert [(one.key, one.value, one.readonly, one.supported) for one in found.settings] == [
        ("HeartbeatInterval", "300", False, True),
        ("Nothing", None, None, False),
        ("NumberOfConnectors", "2", True, True),
    ]
    assert found.complete_ms is None
    assert {one.source for one in found.settings} == {"GetConfiguration"}
    assert found.settings[0].known_ms == pytest.approx(store.server_time_ms(), abs=5_000)
    await configuration.learn(store, KEYS, [ReportedKey("heartbeatinterval", "60", None)], [], complete=False)
    assert await values(store) == {"heartbeatinterval": "60", "Nothing": None, "NumberOfConnectors": "2"}
    await configuration.learn(
        store, KEYS, [ReportedKey("Vendor Key", None, readonly=True)], [], complete=True
    )
    assert await values(store) == {"Vendor Key": None}
    complete_ms = (await configuration.get(store, *NAME)).complete_ms
    assert complete_ms == pytest.approx(store.server_time_ms(), abs=5_000)


async def test_an_accepted_change_is_stored_at_once_with_the_key_as_the_charge_point_spells_it(
    store: Store,
) -> None:
    await configuration.learn(store, KEYS, [ReportedKey("HeartbeatInterval", "300", None)], [], complete=True)
    await configuration.change(store, KEYS, " heartbeatINTERVAL", "60", "Accepted")
    found = await find(store, "HEARTBEATINTERVAL ")
    assert (found.key, found.value, found.readonly, found.source) == (
        *("HeartbeatInterval", "60", False),
        "ChangeConfiguration",
    )
    assert (await configuration.get(store, *NAME)).reboot_required_since_ms is None


async def test_a_configuration_change_that_needs_a_reboot_takes_effect_at_the_next_boot(store: Store) -> None:
    lease = (await claimed(store, "a/1")).lease
    await configuration.learn(store, KEYS, [ReportedKey("A", "1", readonly=False)], [], complete=True)
    await configuration.change(store, KEYS, "a", "2", "RebootRequired")
    await configuration.change(store, KEYS, "New", "3", "RebootRequired")
    before = await configuration.get(store, *NAME)
    assert [(one.key, one.value, one.pending and one.pending.value) for one in before.settings] == [
        ("A", "1", "2"),
        ("New", None, "3"),
    ]
    assert before.reboot_required_since_ms == pytest.approx(store.server_time_ms(), abs=5_000)
    # Until the boot the charge point may report the old value or the new one.
    await configuration.learn(store, KEYS, [ReportedKey("A", "1", readonly=False)], [], complete=True)
    assert (await find(store, "A")).pending is not None
    await charge_points.boot(store, lease, b"{}")
    after = await configuration.get(store, *NAME)
    assert [(one.key, one.value, one.pending) for one in after.settings] == [
        ("A", "2", None),
        ("New", "3", None),
    ]
    assert after.reboot_required_since_ms is None
    assert after.complete_ms is not None


@pytest.mark.parametrize("then", ["Accepted", "NotSupported"])
async def test_a_change_of_a_key_replaces_an_earlier_change_that_waits_for_a_reboot(
    store: Store, then: configuration.Change
) -> None:
    await configuration.change(store, KEYS, "A", "1", "RebootRequired")
    await configuration.change(store, KEYS, "A", "2", then)
    found = await find(store, "a")
    assert found.pending is None
    assert (found.value, found.supported) == (("2", True) if then == "Accepted" else (None, False))


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", "X-AUTHORIZATIONKEY-2"])
async def test_the_value_of_a_secret_key_is_never_stored(store: Store, key: str) -> None:
    lease = (await claimed(store, "a/1")).lease
    await configuration.learn(store, KEYS, [ReportedKey(key, SECRET, readonly=False)], [], complete=True)
    await configuration.change(store, KEYS, key, SECRET, "Accepted")
    await configuration.change(store, KEYS, key, SECRET, "RebootRequired")
    await configuration.change(store, KEYS, key, SECRET, "RebootRequired")
    for stored in (KEYS.configuration, KEYS.configuration_pending):
        assert SECRET.encode() not in b"".join((await store.execute("HGETALL", stored)).values())
    found = await find(store, key)
    assert (found.value, found.pending and found.pending.value) == (MASK, MASK)
    await charge_points.boot(store, lease, b"{}")
    assert (await find(store, key)).value == MASK


async def test_configuration_keys_beyond_the_limit_are_dropped_and_long_values_are_cut_off(
    store: Store,
) -> None:
    many = [
        ReportedKey(f"K{number}", "v" * (2_000 if number < 9 else 1), None) for number in range(KEPT + 50)
    ]
    await configuration.learn(store, KEYS, many[:400], [], complete=False)
    await configuration.learn(store, KEYS, many[300:], ["Unknown"], complete=False)
    await configuration.change(store, KEYS, "One more", "1", "RebootRequired")
    await configuration.change(store, KEYS, "One more", "1", "Accepted")
    found = await configuration.get(store, *NAME)
    assert len(found.settings) == KEPT
    assert {len(one.value or "") for one in found.settings} == {1, configuration.VALUE_LENGTH}
    assert found.find("One more") is None
    # Keys that are known already can still change.
    await configuration.change(store, KEYS, "k7", "7", "Accepted")
    assert (await find(store, "K7")).value == "7"
    await configuration.learn(
        store, KEYS, [ReportedKey("n" * 900, "1", None), ReportedKey(" ", "2", None)], [], complete=True
    )
    assert [len(one.key) for one in (await configuration.get(store, *NAME)).settings] == [
        configuration.NAME_LENGTH
    ]


async def test_the_limit_on_the_number_of_keys_also_counts_changes_that_still_wait_for_a_reboot(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    reported = [ReportedKey(f"K{number}", "", None) for number in range(KEPT - 2)]
    await configuration.learn(store, KEYS, reported, [], complete=False)
    for number in range(4):
        await configuration.change(store, KEYS, f"P{number}", "", "RebootRequired")
        await charge_points.boot(store, lease, b"{}")
    assert len((await configuration.get(store, *NAME)).settings) == KEPT


async def test_the_configuration_can_be_deleted_alone_or_together_with_the_charge_point(store: Store) -> None:
    await configuration.learn(store, KEYS, [ReportedKey("A", "1", None)], [], complete=True)
    await configuration.change(store, KEYS, "B", "1", "RebootRequired")
    await configuration.forget(store, *NAME)
    assert await configuration.get(store, *NAME) == Configuration((), None)
    await configuration.change(store, KEYS, "B", "1", "RebootRequired")
    await charge_points.delete(store, *NAME)
    # An answer that arrives after the deletion is not stored.
    await configuration.learn(store, KEYS, [ReportedKey("A", "1", None)], [], complete=True)
    await configuration.change(store, KEYS, "A", "1", "Accepted")
    assert await store.execute("EXISTS", KEYS.configuration, KEYS.configuration_pending) == 0


@pytest.mark.parametrize(
    ("value", "number"),
    [("50", 50), (' "50" ', 50), ("'7'", 7), ("", None), ("-1", None), ("5.0", None), (None, None)],
)
def test_a_configuration_value_is_read_as_a_number_even_if_it_has_quotes_and_spaces(
    value: str | None, number: int | None
) -> None:
    setting = Setting(key="GetConfigurationMaxKeys", value=value, known_ms=1, source="GetConfiguration")
    assert Configuration((setting,), None).number("getconfigurationmaxkeys") == number
    assert Configuration((), None).number("GetConfigurationMaxKeys") is None


@pytest.mark.parametrize(
    ("value", "as_flag", "as_items"),
    [
        ("true", True, ("true",)),
        (" 'FALSE' ", False, ("FALSE",)),
        ("yes", None, ("yes",)),
        ("A, 'B' ,", None, ("A", "B", "")),
        (" ", None, None),
        (None, None, None),
    ],
)
def test_a_configuration_value_is_read_as_a_flag_or_a_list(
    value: str | None, *, as_flag: bool | None, as_items: tuple[str, ...] | None
) -> None:
    setting = Setting(key="Key", value=value, known_ms=1, source="GetConfiguration")
    known = Configuration((setting,), None)
    assert (known.flag("key"), known.items("KEY")) == (as_flag, as_items)
    assert (known.flag("other"), known.items("other")) == (None, None)


@given(st.text(), st.sampled_from([str.upper, str.lower, str.title]))
def test_the_configuration_key_authorization_key_is_treated_as_secret_in_any_letter_case(
    around: str, case: object
) -> None:
    assert callable(case)
    assert configuration.is_secret(f"{around}{case('AuthorizationKey')}{around}")


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("Authorization_Key", True),
        ("Connector1 Authorization-Key", True),
        ("BasicAuthPassword", True),
        ("WiFiPassphrase", True),
        ("VendorApiKey", True),
        ("AuthorizeRemoteTxRequests", False),
        ("LocalPreAuthorize", False),
        ("ConnectionTimeOut", False),
    ],
)
def test_the_stored_configuration_and_the_traces_treat_the_same_configuration_keys_as_secret(
    key: str, *, secret: bool
) -> None:
    assert configuration.is_secret(key) == names_secret(key) == secret


def test_the_packages_state_and_gateway_recognise_secrets_by_the_same_words() -> None:
    assert tuple(word.replace(" ", "") for word in WORDS) == configuration._SECRET_WORDS


def test_the_configuration_key_authorization_key_is_the_only_secret_key_of_the_specification() -> None:
    assert [key for key in KEYS_OF_OCPP if configuration.is_secret(key)] == ["authorizationkey"]

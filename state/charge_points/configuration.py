"""A charge point's configuration keys, as it reported them or agreed to change them.

Two hashes hold the keys by their folded names. The first hash has the current values. The second hash has the
changes that take effect at the next boot, when boot.lua moves them to the first hash.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from state.keys import ChargePointKeys
from state.replies import read_fields
from state.store import Store

_AT_ONCE = 2_000
"""Names and values in one step, because Lua's stack is limited."""
KEPT = 10_000
"""Greatest number of keys that are stored for a charge point, including changes that wait for a reboot."""
NAME_LENGTH = 305
VALUE_LENGTH = 755
"""Greatest length of a key's name and of its value in characters. Longer texts are cut off.

OCPP allows 50 and 500 characters. csms accepts texts that are up to 255 characters longer, as a repair.
"""
MASK = "***"

_JOINTS = re.compile(r"[\W_]+")
_SECRET_WORDS = (
    *("authorizationkey", "password", "passwd", "passphrase", "pwd", "secret", "credential", "cookie"),
    *("token", "apikey", "privatekey", "presharedkey", "basicauth", "pepper"),
)
"""A key whose name contains one of these words is a secret.

gateway/service/secrets.py has the same words, some of them with spaces.
"""

_COMPLETE = ""
"""Name of the field that holds the time at which the charge point last reported all its keys."""

AUTHORIZATION_KEY = "authorizationkey"
"""The folded name of the key that holds the charge point's password (OCPP-J 6.2)."""

type Source = Literal["GetConfiguration", "ChangeConfiguration"]
type Change = Literal["Accepted", "RebootRequired", "NotSupported"]


class ReportedKey(msgspec.Struct, frozen=True):
    """A configuration key as a charge point reports it."""

    key: str
    value: str | None
    readonly: bool | None


class PendingChange(msgspec.Struct, frozen=True):
    """A change that the charge point has accepted and will apply at its next boot."""

    value: str | None
    since_ms: int


class Setting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One configuration key. `readonly` is None if it is unknown.

    The values come from a command with the action `source`. The command was answered at `known_ms`. The value
    of a secret is never stored; MASK is stored instead.

    A change that waits for a reboot has `since_ms`, the time since which a change of the key waits.
    """

    key: str
    value: str | None = None
    readonly: bool | None = None
    supported: bool = True
    known_ms: int
    source: Source
    pending: PendingChange | None = None
    since_ms: int | msgspec.UnsetType = msgspec.UNSET


class Configuration(msgspec.Struct, frozen=True):
    """All that is known about the configuration keys of a charge point, sorted by name in lower case.

    `complete_ms` is the time at which the charge point last reported all its keys, or None if it never did.
    """

    settings: tuple[Setting, ...]
    complete_ms: int | None

    @property
    def reboot_required_since_ms(self) -> int | None:
        return min((one.pending.since_ms for one in self.settings if one.pending is not None), default=None)

    def find(self, key: str) -> Setting | None:
        wanted = fold(key)
        return next((one for one in self.settings if fold(one.key) == wanted), None)

    def number(self, key: str) -> int | None:
        """Return the value of a key if it is a whole number."""
        text = self._text(key)
        return int(text) if text.isascii() and text.isdigit() else None

    def flag(self, key: str) -> bool | None:
        """Return the value of a key if it is true or false."""
        return {"true": True, "false": False}.get(self._text(key).lower())

    def items(self, key: str) -> tuple[str, ...] | None:
        """Return the values of a key whose value is a list, separated by commas.

        None means that the key has no value.
        """
        text = self._text(key)
        return tuple(map(_bare, text.split(","))) if text else None

    def _text(self, key: str) -> str:
        found = self.find(key)
        return "" if found is None else _bare(found.value or "")


def _bare(value: str) -> str:
    """Remove the quotes or spaces that charge points put around a value."""
    return value.strip(" '\"")


def fold(key: str) -> str:
    """Return a key as it is compared: in lower case (OCPP 1.6, section 9) and without surrounding blanks."""
    return key.strip().lower()[:NAME_LENGTH]


def is_password(key: str) -> bool:
    """Return whether a key holds the charge point's password."""
    return fold(key) == AUTHORIZATION_KEY


def is_secret(key: str) -> bool:
    """Return whether a key's value is a secret.

    AuthorizationKey is the charge point's password (OCPP-J 6). Vendors define keys that hold other secrets.
    Traces mask these secrets too.
    """
    bare = _JOINTS.sub("", key).casefold()
    return any(word in bare for word in _SECRET_WORDS)


async def learn(
    store: Store,
    keys: ChargePointKeys,
    reported: Sequence[ReportedKey],
    unknown: Sequence[str],
    *,
    complete: bool,
) -> None:
    """Store the answer to a GetConfiguration.

    If `complete` is true, the answer replaces all current values. More than 1,000 keys take several steps, so
    call this again if one of them fails.
    """
    now_ms = store.server_time_ms()
    settings = [_setting(one.key, one.value, now_ms, readonly=one.readonly) for one in reported]
    settings += [_setting(key, None, now_ms, supported=False) for key in unknown]
    entries: list[str | bytes | int] = [_COMPLETE, now_ms] if complete else []
    for setting in settings[:KEPT]:
        if name := fold(setting.key):
            entries += (name, msgspec.json.encode(setting))
    for first in range(0, len(entries), _AT_ONCE):
        some = entries[first : first + _AT_ONCE]
        replace = int(complete and first == 0)
        await store.step("charge_points/configuration_learn", _keys(keys), (replace, KEPT, *some))


async def change(store: Store, keys: ChargePointKeys, key: str, value: str, outcome: Change) -> None:
    """Store the outcome of a ChangeConfiguration.

    Do not call this for the outcome Rejected, after which the charge point has its old value.
    """
    if not (name := fold(key)):
        return
    # Use the charge point's own spelling of the key, if it is known.
    if (stored := await store.execute("HGET", keys.configuration, name)) is not None:
        key = _decode(stored).key
    supported = outcome != "NotSupported"
    setting = _setting(
        key,
        value if supported else None,
        store.server_time_ms(),
        readonly=False if supported else None,
        supported=supported,
        source="ChangeConfiguration",
    )
    reboot = outcome == "RebootRequired"
    await store.step(
        "charge_points/configuration_change",
        _keys(keys),
        (int(reboot), KEPT, name, msgspec.json.encode(setting)),
    )


async def get(store: Store, tenant: str, charge_point: str) -> Configuration:
    """Return the configuration.

    The configuration is empty if no key is known or the charge point is unknown.
    """
    keys = ChargePointKeys(tenant, charge_point)
    replies = await store.pipeline([("HGETALL", keys.configuration), ("HGETALL", keys.configuration_pending)])
    current, pending = map(read_fields, replies)
    complete = current.pop(_COMPLETE, None)
    settings = {name: _decode(stored) for name, stored in current.items()}
    for name, stored in pending.items():
        after = _decode(stored)
        before = settings.get(name, msgspec.structs.replace(after, value=None))
        settings[name] = msgspec.structs.replace(before, pending=PendingChange(after.value, after.known_ms))
    return Configuration(
        tuple(setting for _, setting in sorted(settings.items())), None if complete is None else int(complete)
    )


def find_pending_since(values: Iterable[bytes]) -> int | None:
    """Return since when a change waits for a reboot.

    `values` are those of the hash `configuration_pending`.
    """
    found = map(_decode, values)
    return min(
        (one.known_ms if one.since_ms is msgspec.UNSET else one.since_ms for one in found), default=None
    )


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Delete all stored keys, and the stored changes that wait for a reboot."""
    keys = ChargePointKeys(tenant, charge_point)
    await store.execute("UNLINK", keys.configuration, keys.configuration_pending)


_decode = msgspec.json.Decoder(Setting).decode


def _keys(keys: ChargePointKeys) -> tuple[str, str, str]:
    return keys.record, keys.configuration, keys.configuration_pending


def _setting(
    key: str,
    value: str | None,
    now_ms: int,
    *,
    readonly: bool | None = None,
    supported: bool = True,
    source: Source = "GetConfiguration",
) -> Setting:
    if value is not None:
        value = MASK if is_secret(key) else value[:VALUE_LENGTH]
    return Setting(
        key=key.strip()[:NAME_LENGTH],
        value=value,
        readonly=readonly,
        supported=supported,
        known_ms=now_ms,
        source=source,
    )

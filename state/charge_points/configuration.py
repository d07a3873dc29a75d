"""What is believed of a charge point's configuration keys: what it said when it was asked, or agreed to.

Two hashes, by folded name: what counts, and what counts after the next boot (charge_point_boot.lua moves it).
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from state.keys import ChargePointKeys
from state.replies import read_fields
from state.store import Store

KEPT = 500
"""Keys of one charge point, those that wait for a reboot too; what it says of more is not kept."""
NAME_LENGTH = 305
VALUE_LENGTH = 755
"""Characters; more is cut off. By specification 50 and 500; with repairs they may have 255 more."""
MASK = "***"

_JOINTS = re.compile(r"[\W_]+")
_SECRET_WORDS = (
    *("authorizationkey", "password", "passwd", "passphrase", "pwd", "secret", "credential", "cookie"),
    *("token", "apikey", "privatekey", "presharedkey", "basicauth", "pepper"),
)
"""The same as in gateway/service/secrets.py."""

_COMPLETE = ""
"""In the place of a name: when the charge point last told all its keys."""

type Source = Literal["GetConfiguration", "ChangeConfiguration"]
type Change = Literal["Accepted", "RebootRequired", "NotSupported"]


class ReportedKey(msgspec.Struct, frozen=True):
    """A key as a charge point tells it."""

    key: str
    value: str | None
    readonly: bool | None


class PendingChange(msgspec.Struct, frozen=True):
    """A change that the charge point has stored, and heeds from its next boot."""

    value: str | None
    since_ms: int


class Setting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key. `readonly` None: nobody knows. `source`: the command by which we know, at `known_ms`.

    A secret's value is MASK: it is never stored.
    """

    key: str
    value: str | None = None
    readonly: bool | None = None
    supported: bool = True
    known_ms: int
    source: Source
    pending: PendingChange | None = None


class Configuration(msgspec.Struct, frozen=True):
    """`settings` by name; `complete_ms`: when the charge point last told all of them, None: never."""

    settings: tuple[Setting, ...]
    complete_ms: int | None

    @property
    def reboot_required_since_ms(self) -> int | None:
        return min((one.pending.since_ms for one in self.settings if one.pending is not None), default=None)

    def find(self, key: str) -> Setting | None:
        wanted = fold(key)
        return next((one for one in self.settings if fold(one.key) == wanted), None)

    def number(self, key: str) -> int | None:
        """The value of a key that is a whole number."""
        text = self._text(key)
        return int(text) if text.isascii() and text.isdigit() else None

    def flag(self, key: str) -> bool | None:
        """The value of a key that is true or false."""
        return {"true": True, "false": False}.get(self._text(key).lower())

    def items(self, key: str) -> tuple[str, ...] | None:
        """The values of a key that has several, with commas between them; None: it has none."""
        text = self._text(key)
        return tuple(map(_bare, text.split(","))) if text else None

    def _text(self, key: str) -> str:
        found = self.find(key)
        return "" if found is None else _bare(found.value or "")


def _bare(value: str) -> str:
    """Charge points put quotes or spaces around it."""
    return value.strip(" '\"")


def fold(key: str) -> str:
    """How keys are compared: without regard to letters' case (section 9) or to blanks around them."""
    return key.strip().lower()[:NAME_LENGTH]


def is_secret(key: str) -> bool:
    """OCPP-J 6: AuthorizationKey is the charge point's password; vendors have more, as traces know them."""
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
    """Keep the answer to a GetConfiguration; with `complete` it is all there is."""
    now_ms = store.server_time_ms()
    settings = [_setting(one.key, one.value, now_ms, readonly=one.readonly) for one in reported]
    settings += [_setting(key, None, now_ms, supported=False) for key in unknown]
    entries: list[str | bytes | int] = [_COMPLETE, now_ms] if complete else []
    for setting in settings[:KEPT]:
        if name := fold(setting.key):
            entries += (name, msgspec.json.encode(setting))
    if entries:
        await store.step("charge_points/configuration_learn", _keys(keys), (int(complete), KEPT, *entries))


async def change(store: Store, keys: ChargePointKeys, key: str, value: str, outcome: Change) -> None:
    """Keep what became of a ChangeConfiguration; Rejected changes nothing."""
    if not (name := fold(key)):
        return
    # As the charge point spells it, if it ever did.
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
    """Empty if nothing is known, or nobody is."""
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


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Believe nothing any more, nor that a reboot is required."""
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

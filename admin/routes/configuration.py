"""A charge point's configuration keys: what it told of them, asked anew, and changed one at a time."""

from collections.abc import Iterable
from itertools import batched
from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, TimeoutQuery, send
from admin.commands.send import Sent
from admin.http import (
    add_to_problem,
    bodies,
    convert,
    describes,
    invalid,
    lookup,
    new_blueprint,
    pointer,
)
from admin.services import current_store, services
from gateway.ocpp16.configuration_keys import MAX_KEYS
from gateway.ocpp16.messages.core import ChangeConfiguration, GetConfiguration
from state.charge_points import configuration
from state.charge_points.configuration import Configuration, Setting, Source

blueprint = new_blueprint("configuration", "Configuration")

AT_ONCE = 100
KEY_LENGTH = 50  # OCPP 1.6: CiString50Type.
VALUE_LENGTH = 500

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_LENGTH)]
Changes = Annotated[
    dict[Key, Annotated[str, msgspec.Meta(max_length=VALUE_LENGTH)]],
    msgspec.Meta(
        min_length=1,
        max_length=AT_ONCE,
        description="Values by key, sent in this order.",
        examples=[{"HeartbeatInterval": "60", "MeterValueSampleInterval": "30"}],
    ),
]


class ChangesQuery(TimeoutQuery, frozen=True, forbid_unknown_fields=True):
    go_on: Annotated[
        bool,
        msgspec.Meta(
            description="Go on after a change that the charge point has refused. One that it does not answer "
            "always ends the row."
        ),
    ] = msgspec.field(default=False, name="continue")


class WantedKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which keys to ask for; none: for all."""

    keys: Annotated[tuple[Key, ...], msgspec.Meta(max_length=AT_ONCE, examples=[["HeartbeatInterval"]])] = ()


class PendingAnswer(msgspec.Struct, frozen=True):
    """A change that the charge point has stored and heeds after its next boot."""

    value: str | None
    since: str


class SettingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one key."""

    key: Annotated[str, msgspec.Meta(examples=["HeartbeatInterval"])]
    value: Annotated[
        str | None,
        msgspec.Meta(description="null: it told none. *** stands for a secret.", examples=["300"]),
    ]
    readonly: Annotated[bool | None, msgspec.Meta(description="null: it has not told.")]
    supported: Annotated[bool, msgspec.Meta(description="false: it said that it has no such key.")]
    known_at: Annotated[str, msgspec.Meta(description="When it told.")]
    source: Annotated[Source, msgspec.Meta(description="The command that it answered so.")]
    pending: PendingAnswer | None


class ConfigurationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the charge point's configuration, by key."""

    keys: tuple[SettingAnswer, ...]
    complete_at: Annotated[
        str | None, msgspec.Meta(description="When it last told all its keys; null: never yet.")
    ]
    reboot_required_since: Annotated[
        str | None, msgspec.Meta(description="Since when a change waits for its next boot; null: none does.")
    ]


class RefreshAnswer(msgspec.Struct, frozen=True):
    """What is known now, and the commands that asked."""

    configuration: ConfigurationAnswer
    commands: tuple[CommandAnswer, ...]


class ChangeAnswer(msgspec.Struct, frozen=True):
    """What became of one change."""

    key: str
    status: Annotated[
        str,
        msgspec.Meta(
            description="The charge point's word: Accepted, RebootRequired (stored, it counts after its next "
            "boot), Rejected or NotSupported. If it gave none: the command's status, such as error, timeout "
            "or offline; or not_sent, because the row ended before.",
            examples=["Accepted"],
        ),
    ]
    command: Annotated[str | None, msgspec.Meta(description="Id of the command; null: none was recorded.")]
    warnings: tuple[str, ...]


class ChangesAnswer(msgspec.Struct, frozen=True):
    """What became of the changes, in the order in which they were given."""

    changes: tuple[ChangeAnswer, ...]


_BASE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/configuration"


@blueprint.get(_BASE)
@document_response(ConfigurationAnswer)
async def get_configuration(tenant: str, charge_point: str) -> Response:
    """Read what is known of a charge point's configuration.

    That is what it told when it was last asked or changed; it may have been changed since at the charge point
    itself.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    return bodies.answer(_answer(await configuration.get(current_store(), tenant, charge_point)))


@blueprint.post(f"{_BASE}/refresh")
@document_querystring(TimeoutQuery)
@document_request(WantedKeys)
@document_response(RefreshAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(problems={**PROBLEMS, 409: "The charge point is offline; nothing was sent."})
async def refresh_configuration(tenant: str, charge_point: str) -> Response:
    """Ask a charge point for its configuration, all of it or some keys.

    More keys than the charge point takes at once (GetConfigurationMaxKeys, if that is known) are asked for in
    several commands, one after the other; the first that fails is the answer.
    """
    asked, wanted = bodies.query(TimeoutQuery), await bodies.body(WantedKeys)
    store, commands = current_store(), []
    known = await configuration.get(store, tenant, charge_point)
    for keys in _split(wanted.keys, known.number(MAX_KEYS)):
        request = GetConfiguration(key=keys)
        sent = await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout)
        if sent.result is None:
            return send.respond(sent)
        commands.append(sent.answer)
    known = await configuration.get(store, tenant, charge_point)
    return bodies.answer(RefreshAnswer(_answer(known), tuple(commands)))


@blueprint.patch(_BASE)
@document_querystring(ChangesQuery)
@document_request(Changes)
@document_response(ChangesAnswer, 200)
@document_response(ChangesAnswer, 207)
async def change_configuration(tenant: str, charge_point: str) -> Response:
    """Change configuration keys, one after the other.

    Each change waits for the answer to the one before. 200: the charge point took all of them. 207: it did
    not, see each one's `status`; what was taken stays so. Hanging up ends the row. In a problem, `changes`
    has those before it.
    """
    asked, changes = bodies.query(ChangesQuery), await _read_changes()
    await lookup.charge_point(current_store(), tenant, charge_point)
    answers: list[ChangeAnswer] = []
    with add_to_problem(changes=answers):
        for key, value in changes.items():
            request = ChangeConfiguration(key=key, value=value)
            sent = await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout)
            answers.append(ChangeAnswer(key, _status(sent), sent.command.id, sent.answer.warnings))
            refused = sent.command.status in {"answered", "error"}
            if not _is_stored(answers[-1]) and not (asked.go_on and refused):
                break
    answers += [ChangeAnswer(key, "not_sent", None, ()) for key in list(changes)[len(answers) :]]
    return bodies.answer(ChangesAnswer(tuple(answers)), 200 if all(map(_is_stored, answers)) else 207)


@blueprint.delete(_BASE)
@document_response(None, 204)
async def forget_configuration(tenant: str, charge_point: str) -> Response:
    """Forget what is known of a charge point's configuration.

    The charge point is told nothing and keeps it.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    await configuration.forget(current_store(), tenant, charge_point)
    return bodies.no_content()


def _split(keys: tuple[str, ...], most: int | None) -> Iterable[tuple[str, ...] | None]:
    # What it told may be any number.
    return batched(keys, min(most or AT_ONCE, AT_ONCE), strict=False) if keys else (None,)


async def _read_changes() -> dict[str, str]:
    """Read the body as Changes, naming the key of what is wrong. Raises Problem."""
    given: dict[str, Any] = await bodies.body(dict[str, Any])
    if not 1 <= len(given) <= AT_ONCE:
        raise invalid(f"Give 1 to {AT_ONCE} keys with their values.", pointer="")
    for key, value in given.items():
        if not 1 <= len(key) <= KEY_LENGTH:
            raise invalid(f"A key of OCPP 1.6 has 1 to {KEY_LENGTH} characters.", pointer=pointer([key]))
        if not isinstance(value, str) or len(value) > VALUE_LENGTH:
            raise invalid(
                f"{key}: the value must be text of at most {VALUE_LENGTH} characters, also where it spells a "
                'number; a body looks like {"HeartbeatInterval": "60"}.',
                pointer=pointer([key]),
            )
    return given


def _status(sent: Sent) -> str:
    return sent.command.status if sent.result is None else str(sent.result.get("status"))


def _is_stored(answer: ChangeAnswer) -> bool:
    return answer.status in {"Accepted", "RebootRequired"}


def _answer(known: Configuration) -> ConfigurationAnswer:
    return convert(known, ConfigurationAnswer, keys=tuple(map(_setting, known.settings)))


def _setting(setting: Setting) -> SettingAnswer:
    pending = None if setting.pending is None else convert(setting.pending, PendingAnswer)
    return convert(setting, SettingAnswer, pending=pending)

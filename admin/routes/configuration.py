"""Routes of configuration keys: read the reported values, ask for them again, and change keys."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, TimeoutQuery, send
from admin.commands.send import Sent
from admin.http import (
    InputError,
    add_to_problem,
    bodies,
    convert,
    describes,
    invalid,
    lookup,
    new_blueprint,
    pointer,
)
from admin.http.times import Time
from admin.services import current_store, services
from gateway.ocpp16.configuration_keys import MAX_KEYS
from gateway.ocpp16.messages.core import ChangeConfiguration, GetConfiguration
from state.charge_points import configuration
from state.charge_points.configuration import Configuration, Setting, Source
from state.charge_points.passwords import BadKey, read_key

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
        description="The names of the members are configuration keys, and the values are the new values of "
        "these keys. csms sends each value as text, and sends the changes in the order of the body.",
        examples=[{"HeartbeatInterval": "60", "MeterValueSampleInterval": "30"}],
    ),
]


class ChangesQuery(TimeoutQuery, frozen=True, forbid_unknown_fields=True):
    go_on: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to send the remaining changes after the charge point has refused a change. "
            "If a change gets no answer, csms never sends the remaining changes."
        ),
    ] = msgspec.field(default=False, name="continue")


class WantedKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys to ask the charge point for."""

    keys: Annotated[
        tuple[Key, ...],
        msgspec.Meta(
            max_length=AT_ONCE,
            description="Names of the keys to ask for. An empty list asks for all keys.",
            examples=[["HeartbeatInterval"]],
        ),
    ] = ()


class PendingAnswer(msgspec.Struct, frozen=True):
    """A change that the charge point has stored, but will apply only after its next boot."""

    value: Annotated[
        str | None,
        msgspec.Meta(
            description="The new value. null means that the value is not known. *** replaces a secret."
        ),
    ]
    since: Annotated[Time, msgspec.Meta(description="When the charge point answered RebootRequired.")]


class SettingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The known state of one configuration key."""

    key: Annotated[
        str,
        msgspec.Meta(
            description="Name of the key, as the charge point spells it.", examples=["HeartbeatInterval"]
        ),
    ]
    value: Annotated[
        str | None,
        msgspec.Meta(
            description="Value of the key. null means that the charge point reported no value. *** replaces "
            "a secret.",
            examples=["300"],
        ),
    ]
    readonly: Annotated[
        bool | None,
        msgspec.Meta(
            description="Whether the key is read-only. null means that the charge point has not said whether "
            "the key is read-only."
        ),
    ]
    supported: Annotated[
        bool,
        msgspec.Meta(
            description="Whether the charge point has the key. false means that the charge point answered "
            "that it does not know the key."
        ),
    ]
    known_at: Annotated[Time, msgspec.Meta(description="When the charge point reported the value.")]
    source: Annotated[Source, msgspec.Meta(description="The command whose answer reported the value.")]
    pending: Annotated[
        PendingAnswer | None,
        msgspec.Meta(
            description="A change that the charge point applies after its next boot. null means that no "
            "change waits for a boot."
        ),
    ]


class ConfigurationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that a charge point has, as far as csms knows."""

    keys: Annotated[
        tuple[SettingAnswer, ...],
        msgspec.Meta(description="The keys of which csms knows something, sorted by name; 500 keys at most."),
    ]
    complete_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the charge point last reported all its keys. null means that the charge point "
            "has never reported all its keys."
        ),
    ]
    reboot_required_since: Annotated[
        Time | None,
        msgspec.Meta(
            description="Time since which a change has been waiting for the next boot of the charge point. "
            "null means that no change waits."
        ),
    ]


class RefreshAnswer(msgspec.Struct, frozen=True):
    """The refreshed configuration, and the commands that asked for it."""

    configuration: Annotated[
        ConfigurationAnswer,
        msgspec.Meta(description="The configuration that csms knows after the answers of the charge point."),
    ]
    commands: Annotated[
        tuple[CommandAnswer, ...],
        msgspec.Meta(description="The GetConfiguration commands, in the order in which they were sent."),
    ]


class ChangeAnswer(msgspec.Struct, frozen=True):
    """The outcome of one change."""

    key: Annotated[str, msgspec.Meta(description="Name of the key.", examples=["HeartbeatInterval"])]
    status: Annotated[
        str,
        msgspec.Meta(
            description="The answer of the charge point: Accepted, RebootRequired (stored, and applied after "
            "its next boot), Rejected or NotSupported (no such key). If there was no answer, `status` is "
            "the status of the command, such as error, timeout or offline. `not_sent` means that csms sent "
            "no further change after an earlier one failed.",
            examples=["Accepted"],
        ),
    ]
    command: Annotated[
        str | None, msgspec.Meta(description="Id of the command. null means that the change was not sent.")
    ]
    warnings: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Warnings about this change. csms sent the change in spite of the warnings."
        ),
    ]


class ChangesAnswer(msgspec.Struct, frozen=True):
    """The outcomes of the changes."""

    changes: Annotated[
        tuple[ChangeAnswer, ...],
        msgspec.Meta(description="One outcome for each change, in the order of the request."),
    ]


_BASE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/configuration"


@blueprint.get(_BASE)
@document_response(ConfigurationAnswer)
async def get_configuration(tenant: str, charge_point: str) -> Response:
    """Read what csms knows of the configuration of a charge point.

    The answer has the values that the charge point last reported or accepted. Since then, someone may have
    changed keys at the charge point itself. csms sends nothing to the charge point.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    return bodies.answer(_answer(await configuration.get(current_store(), tenant, charge_point)))


@blueprint.post(f"{_BASE}/refresh")
@document_querystring(TimeoutQuery)
@document_request(WantedKeys)
@document_response(RefreshAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(problems={**PROBLEMS, 409: "The charge point is offline. csms sent nothing to the charge point."})
async def refresh_configuration(tenant: str, charge_point: str) -> Response:
    """Ask a charge point for the values of all or some of its configuration keys.

    csms sends GetConfiguration. If the request names more keys than the charge point accepts at once
    (GetConfigurationMaxKeys, if that value is known), csms sends several commands, one after the other. If a
    command fails, csms sends no further command, and the API answers with the failed command.
    """
    asked, wanted = bodies.query(TimeoutQuery), await bodies.body(WantedKeys)
    store, commands = current_store(), []
    known = await configuration.get(store, tenant, charge_point)
    for keys in _split(wanted.keys, known.number(MAX_KEYS)):
        request = GetConfiguration(key=keys)
        sent = await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout)
        if sent.command.response is None:
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

    csms sends one ChangeConfiguration for each key, and waits for each answer before it sends the next
    request. 200 means that the charge point accepted all changes. 207 means that the charge point did not
    accept every change; the `status` of each change is its outcome. csms does not undo the changes that the
    charge point accepted. If the client disconnects, csms sends no further change. If the answer is a problem
    document, its member `changes` has the outcomes so far.
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
    """Forget what csms knows of the configuration of a charge point.

    csms sends nothing to the charge point, so the charge point keeps its configuration.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    await configuration.forget(current_store(), tenant, charge_point)
    return bodies.no_content()


def _split(keys: tuple[str, ...], most: int | None) -> Iterable[tuple[str, ...] | None]:
    # The charge point may have reported any number as GetConfigurationMaxKeys.
    return batched(keys, min(most or AT_ONCE, AT_ONCE), strict=False) if keys else (None,)


async def _read_changes() -> dict[str, str]:
    """Read the body as Changes. Raises Problem with a pointer to each wrong key."""
    given: dict[str, Any] = await bodies.body(dict[str, Any])
    if not 1 <= len(given) <= AT_ONCE:
        raise invalid(f"The body has {len(given)} keys; give 1 to {AT_ONCE} with their values.", pointer="")
    if errors := list(_find_errors(given)):
        raise bodies.refuse(errors, errors[0])
    return given


def _find_errors(changes: dict[str, Any]) -> Iterator[InputError]:
    for key, value in changes.items():
        if not 1 <= len(key) <= KEY_LENGTH:
            text = f"The key has {len(key)} characters; OCPP 1.6 allows 1 to {KEY_LENGTH}."
            yield InputError(text, pointer([key]))
        if not isinstance(value, str) or len(value) > VALUE_LENGTH:
            text = (
                f"{key}: the value must be text of at most {VALUE_LENGTH} characters, also for a number; "
                'a body looks like {"HeartbeatInterval": "60"}.'
            )
            yield InputError(text, pointer([key]))
        elif configuration.is_password(key):
            try:
                read_key(value)
            except BadKey as error:
                yield InputError(f"{key}: {error}", pointer([key]))


def _status(sent: Sent) -> str:
    return sent.command.status if sent.command.response is None else str(sent.command.answer_status)


def _is_stored(answer: ChangeAnswer) -> bool:
    return answer.status in {"Accepted", "RebootRequired"}


def _answer(known: Configuration) -> ConfigurationAnswer:
    return convert(known, ConfigurationAnswer, keys=tuple(map(_setting, known.settings)))


def _setting(setting: Setting) -> SettingAnswer:
    pending = None if setting.pending is None else convert(setting.pending, PendingAnswer)
    return convert(setting, SettingAnswer, pending=pending)

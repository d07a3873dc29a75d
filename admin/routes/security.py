"""Routes of what a charge point must prove when it connects: security profile, password, certificate name."""

from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, send
from admin.commands.secrets import read_password
from admin.http import Problem, bodies, describes, invalid, lookup, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import CommandId
from admin.services import current_store, services
from gateway.ocpp16.messages.core import ChangeConfiguration
from state.charge_points import passwords, security
from state.charge_points.security import NameCheck, Security
from state.keys import ChargePointKeys
from state.tenants import tenants
from state.tenants.tenants import SecurityProfile

blueprint = new_blueprint("security", "Security")

_BASE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>"

Profile = Annotated[int, msgspec.Meta(ge=0, le=3)]
Binding = Annotated[
    Literal["identity", "serial_number", "common_name"],
    msgspec.Meta(
        description="What the common name of a client certificate must be: the id of the charge point "
        "(`identity`), its `serial_number`, or `common_name`. A certificate that csms issued is bound to the "
        "charge point in another way."
    ),
]
Name = Annotated[str, msgspec.Meta(max_length=255)]
Key = Annotated[
    str,
    msgspec.Meta(
        max_length=255,
        # The check of the key itself has better words for what is wrong.
        extra_json_schema={"pattern": passwords.KEY_PATTERN, "minLength": 16, "maxLength": 40},
    ),
]


class NextKeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A password that csms has sent or will send to the charge point, and that is right too."""

    command: CommandId
    reboot_required: Annotated[
        bool,
        msgspec.Meta(
            description="Whether the charge point said that it will use the password after a reboot."
        ),
    ]


class SecurityAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the charge point must prove when it connects."""

    security_profile: Annotated[
        Profile,
        msgspec.Meta(
            description="Lowest security profile with which the charge point may connect. The profile rises "
            "by the first connection with a higher one, and only an operator can lower it. The profile of "
            "the tenant applies too, if it is higher."
        ),
    ]
    password_set_at: Annotated[
        Time | None,
        msgspec.Meta(description="When the password was set. null means that the charge point has none."),
    ]
    next_passwords: Annotated[
        tuple[NextKeyAnswer, ...],
        msgspec.Meta(description="Passwords that are right too, until the charge point uses one of them."),
    ]
    binding: Binding
    serial_number: Annotated[
        str, msgspec.Meta(description="Serial number of the charge point, as its certificate has it.")
    ]
    common_name: Annotated[str, msgspec.Meta(description="Common name that a client certificate must have.")]
    check_organisation: Annotated[
        bool,
        msgspec.Meta(
            description="Whether a client certificate must name one of `certificate_organisations` of the "
            "tenant."
        ),
    ]


class SecurityChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings to change. A member that is left out stays as it is."""

    security_profile: (
        Annotated[
            Profile,
            msgspec.Meta(
                description="Lowest security profile with which the charge point may connect. Open "
                "connections stay open."
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    binding: Binding | msgspec.UnsetType = msgspec.UNSET
    serial_number: Annotated[
        Name | msgspec.UnsetType,
        msgspec.Meta(description="Serial number of the charge point, as its certificate has it."),
    ] = msgspec.UNSET
    common_name: Annotated[
        Name | msgspec.UnsetType,
        msgspec.Meta(description="Common name that a client certificate must have."),
    ] = msgspec.UNSET
    check_organisation: Annotated[
        bool | msgspec.UnsetType,
        msgspec.Meta(
            description="Whether a client certificate must name one of `certificate_organisations` of the "
            "tenant."
        ),
    ] = msgspec.UNSET


class KeyWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password to set."""

    value: Annotated[
        Key | None,
        msgspec.Meta(
            description="The AuthorizationKey: 32 to 40 hexadecimal digits, which stand for 16 to 20 bytes, "
            "or 16 to 40 printable characters. A key that can be guessed is refused. null means that csms "
            "makes a random one.",
            examples=["5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94"],
        ),
    ] = None


class KeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The password that was set."""

    value: Annotated[
        str | None,
        msgspec.Meta(
            description="The random password that csms made, in hexadecimal digits. It is never shown again. "
            "null means that the request had a password."
        ),
    ]
    command: Annotated[
        CommandAnswer | None,
        msgspec.Meta(
            description="The ChangeConfiguration. null means that nothing was sent to the charge point."
        ),
    ]


class ChangeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout: Annotated[
        float, msgspec.Meta(ge=1, le=600, description="Seconds within which the charge point must answer.")
    ] = 30.0


@blueprint.get(f"{_BASE}/security")
@document_response(SecurityAnswer)
async def get_security(tenant: str, charge_point: str) -> Response:
    """Read what a charge point must prove when it connects."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    return bodies.answer(_answer(await security.read(current_store(), tenant, charge_point)))


@blueprint.patch(f"{_BASE}/security")
@document_request(SecurityChange)
@document_response(SecurityAnswer)
async def change_security(tenant: str, charge_point: str) -> Response:
    """Change what a charge point must prove when it connects.

    This is the only way to lower the security profile of a charge point (A00.FR.005). csms sends nothing to
    the charge point, and open connections stay open.
    """
    store, asked = current_store(), await bodies.body(SecurityChange)
    await lookup.charge_point(store, tenant, charge_point)
    keys = ChargePointKeys(tenant, charge_point)
    outcome = await security.change_name_check(store, keys, lambda check: _changed(check, asked))
    if asked.security_profile is not msgspec.UNSET and outcome != "gone":
        floor = msgspec.convert(asked.security_profile, SecurityProfile)
        outcome = await security.set_floor(store, keys, floor)
    must_exist(outcome != "gone", "charge point")
    return bodies.answer(_answer(await security.read(store, tenant, charge_point)))


@blueprint.put(f"{_BASE}/authorization-key")
@document_request(KeyWanted)
@document_response(KeyAnswer)
async def put_authorization_key(tenant: str, charge_point: str) -> Response:
    """Set the password of a charge point in csms alone.

    Use this for a password that the charge point has already, for example from its factory. csms sends
    nothing to the charge point. From now on, only this password is right. csms stores only a keyed hash of
    the password.
    """
    held, asked = services(), await bodies.body(KeyWanted)
    await lookup.charge_point(held.store, tenant, charge_point)
    value = passwords.new_key() if asked.value is None else asked.value
    keys = ChargePointKeys(tenant, charge_point)
    digest = passwords.digest(held.pepper, keys.member, read_password(value))
    outcome = await security.set_password(held.store, keys, digest, held.store.server_time_ms())
    must_exist(outcome != "gone", "charge point")
    return bodies.answer(KeyAnswer(value=value if asked.value is None else None, command=None))


@blueprint.delete(f"{_BASE}/authorization-key")
@document_response(None, 204)
@describes(
    problems={
        409: "The charge point must connect with security profile 1 or 2, so it could not connect without a "
        "password. Nothing was changed."
    }
)
async def delete_authorization_key(tenant: str, charge_point: str) -> Response:
    """Remove the password of a charge point."""
    store = current_store()
    await lookup.charge_point(store, tenant, charge_point)
    found = await security.read(store, tenant, charge_point)
    of_tenant = must_exist(await tenants.get(store, tenant), "tenant")
    if max(found.floor, of_tenant.security_profile) in {1, 2}:
        raise Problem(
            409,
            "password-needed",
            "The charge point must connect with security profile 1 or 2, so it could not connect without a "
            "password. Lower its security profile first.",
        )
    outcome = await security.set_password(store, ChargePointKeys(tenant, charge_point), None, 0)
    must_exist(outcome != "gone", "charge point")
    return bodies.no_content()


@blueprint.post(f"{_BASE}/authorization-key/change")
@document_querystring(ChangeQuery)
@document_request(KeyWanted)
@document_response(KeyAnswer, 200)
@document_response(KeyAnswer, 202)
@describes(problems=PROBLEMS)
async def change_authorization_key(tenant: str, charge_point: str) -> Response:
    """Change the password on a charge point and in csms (A01).

    csms sends ChangeConfiguration(AuthorizationKey). If the charge point answers Accepted, only the new
    password is right. If it refuses, only the old one is. If the outcome is unknown, both are right until the
    charge point connects again with one of them. The open connection stays open.
    """
    asked, wanted = bodies.query(ChangeQuery), await bodies.body(KeyWanted)
    value = passwords.new_key() if wanted.value is None else wanted.value
    request = ChangeConfiguration(key="AuthorizationKey", value=value)
    sent = await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout)
    status = 200 if send.is_finished(sent) else 202
    shown = value if wanted.value is None else None
    return bodies.answer(KeyAnswer(value=shown, command=sent.answer), status)


def _changed(check: NameCheck, asked: SecurityChange) -> NameCheck:
    """Return the changed name check. Raises Problem (422) if it would match no certificate."""
    given = {
        "binding": asked.binding,
        "serial_number": asked.serial_number,
        "common_name": asked.common_name,
        "organisation": asked.check_organisation,
    }
    changed = msgspec.structs.replace(
        check, **{name: value for name, value in given.items() if value is not msgspec.UNSET}
    )
    if changed.binding != "identity" and not getattr(changed, changed.binding):
        raise invalid(
            f"`binding` is {changed.binding}, so `{changed.binding}` must not be empty.",
            pointer=f"/{changed.binding}",
        )
    return changed


def _answer(found: Security) -> SecurityAnswer:
    check, password = found.name_check, found.password
    return SecurityAnswer(
        security_profile=found.floor,
        password_set_at=None if password is None else times.text(password.set_ms),
        next_passwords=tuple(
            NextKeyAnswer(command=one.command, reboot_required=one.reboot_required)
            for one in found.next_passwords
        ),
        binding=check.binding,
        serial_number=check.serial_number,
        common_name=check.common_name,
        check_organisation=check.organisation,
    )

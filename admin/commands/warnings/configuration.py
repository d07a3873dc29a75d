"""Warnings of the Core profile: keys that contradict the specification or the charge point's reports."""

from admin.commands.warnings.view import View, Warner
from admin.http import times
from gateway.ocpp16 import configuration_keys
from gateway.ocpp16.configuration_keys import MAX_KEYS
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import Message
from state.charge_points import configuration
from state.charge_points.configuration import Configuration


async def change_configuration(request: core.ChangeConfiguration, view: View) -> list[str]:
    known = await view.configuration()
    found = _check_key(request.key, known)
    if (problem := configuration_keys.check_value(request.key, request.value)) is not None:
        found.append(f"The value of {request.key} {problem}.")
    found += _check_length(request, known)
    waiting = [setting.key for setting in known.settings if setting.pending is not None]
    if waiting:
        found.append(f"Earlier changes wait for the next boot of the charge point: {', '.join(waiting)}.")
    return found


async def get_configuration(request: core.GetConfiguration, view: View) -> list[str]:
    if not request.key:
        return []
    known = await view.configuration()
    most = known.number(MAX_KEYS)
    if not most or len(request.key) <= most:
        return []
    return [f"The charge point may refuse this: it takes at most {most} keys at once ({MAX_KEYS})."]


def _check_key(key: str, known: Configuration) -> list[str]:
    setting, specified = known.find(key), configuration_keys.find(key)
    if setting is not None and not setting.supported:
        return [f"The charge point said on {times.text(setting.known_ms)} that it has no key {key}."]
    if setting is not None and setting.readonly is not None:
        told = f"The charge point said on {times.text(setting.known_ms)} that {key} is read-only."
        return [told] if setting.readonly else []
    if specified is not None and specified.access == "R":
        return [f"The specification says that {key} is read-only (section 9)."]
    # A charge point never reports its password, so the key may be missing from the list.
    if setting is None and known.complete_ms is not None and not configuration.is_secret(key):
        return [f"The list of all keys that it reported on {times.text(known.complete_ms)} has no {key}."]
    return []


def _check_length(request: core.ChangeConfiguration, known: Configuration) -> list[str]:
    length_key = configuration_keys.length_key(request.key)
    most = None if length_key is None else known.number(length_key)
    if most is None or len(request.value.split(",")) <= most:
        return []
    return [f"The value of {request.key} has more items than the charge point takes: {most} ({length_key})."]


WARNERS: dict[type[Message], Warner] = {
    core.ChangeConfiguration: change_configuration,
    core.GetConfiguration: get_configuration,
}

"""Bounded storage of a simulated charge point: configuration, local list, charging profiles, certificates."""

from typing import Final

from gateway.ocpp16.messages import core, local_auth, security, smart_charging
from gateway.ocpp16.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from loadtest.charge_point import certificates
from loadtest.charge_point.meter import VOLTS
from loadtest.now import now_text

CONNECTOR = 1
"""The connector that charges. A charge point may have more connectors, which never charge."""
AMPERES_MAX = 32.0
LIST_MAX, PROFILES_MAX, CERTIFICATES_MAX = 100, 16, 8


_SETTINGS: Final[dict[str, tuple[str, bool]]] = {
    "AuthorizationKey": ("", False),
    "AuthorizeRemoteTxRequests": ("true", False),
    "ChargeProfileMaxStackLevel": ("8", True),
    "ConnectionTimeOut": ("60", False),
    "HeartbeatInterval": ("300", False),
    "LocalAuthListEnabled": ("true", False),
    "MaxChargingProfilesInstalled": (str(PROFILES_MAX), True),
    "MeterValueSampleInterval": ("60", False),
    "NumberOfConnectors": ("1", True),
    "SendLocalListMaxLength": (str(LIST_MAX), True),
    "SupportedFeatureProfiles": (
        "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        True,
    ),
    "WebSocketPingInterval": ("0", False),
}
"""Value of each configuration key, and whether the key is read-only. The first key is never reported."""
_NAMES: Final = {name.lower(): name for name in _SETTINGS}
_AT_BOOT: Final = frozenset({"WebSocketPingInterval"})


class Configuration:
    """Values of the configuration keys."""

    __slots__ = ("_values",)

    def __init__(self, connectors: int) -> None:
        self._values = {"NumberOfConnectors": str(connectors)}
        """Values that differ from `_SETTINGS`."""

    def change(self, request: core.ChangeConfiguration) -> core.ChangeConfigurationResult:
        known = self._setting(request.key)
        if known is None:
            return core.ChangeConfigurationResult(status="NotSupported")
        if known.readonly or ((known.value or "").isdecimal() and not request.value.isdecimal()):
            return core.ChangeConfigurationResult(status="Rejected")
        self._values[known.key] = request.value
        return core.ChangeConfigurationResult(
            status="RebootRequired" if known.key in _AT_BOOT else "Accepted"
        )

    def get(self, request: core.GetConfiguration) -> core.GetConfigurationResult:
        found = {name: self._setting(name) for name in request.key or _SETTINGS}
        told = (one for one in found.values() if one is not None and one.key != "AuthorizationKey")
        unknown = tuple(name for name, one in found.items() if one is None)
        return core.GetConfigurationResult(configuration_key=tuple(told), unknown_key=unknown or None)

    def _setting(self, key: str) -> core.KeyValue | None:
        """Find a configuration key regardless of case; the result has the key's own spelling."""
        name = _NAMES.get(key.lower())
        if name is None:
            return None
        value, readonly = _SETTINGS[name]
        return core.KeyValue(key=name, readonly=readonly, value=self._values.get(name, value))


class LocalList:
    """Entries of the local list, by id tag in lower case."""

    __slots__ = ("_entries", "_version")

    def __init__(self) -> None:
        self._entries: dict[str, local_auth.AuthorizationData] = {}
        self._version = 0

    def version(self, _request: local_auth.GetLocalListVersion) -> local_auth.GetLocalListVersionResult:
        return local_auth.GetLocalListVersionResult(list_version=self._version if self._entries else 0)

    def send(self, request: local_auth.SendLocalList) -> local_auth.SendLocalListResult:
        entries = request.local_authorization_list or ()
        full = request.update_type == "Full"
        if not full and request.list_version <= self._version:
            return local_auth.SendLocalListResult(status="VersionMismatch")
        kept = {} if full else dict(self._entries)
        for entry in entries:
            folded = entry.id_tag.lower()
            if entry.id_tag_info is not None:
                kept[folded] = entry
            elif full:
                return local_auth.SendLocalListResult(status="Failed")
            else:
                kept.pop(folded, None)
        if request.list_version <= 0 or len(kept) > LIST_MAX:
            return local_auth.SendLocalListResult(status="Failed")
        self._entries, self._version = kept, request.list_version
        return local_auth.SendLocalListResult(status="Accepted")


class Profiles:
    """Charging profiles by id, each with its connector."""

    __slots__ = ("_profiles",)

    def __init__(self) -> None:
        self._profiles: dict[int, tuple[int, ChargingProfile]] = {}

    def set(
        self, request: smart_charging.SetChargingProfile, transaction_id: int | None, connectors: int
    ) -> smart_charging.SetChargingProfileResult:
        profile, connector = request.cs_charging_profiles, request.connector_id
        purpose = profile.charging_profile_purpose
        fits = {
            "ChargePointMaxProfile": connector == 0,
            "TxDefaultProfile": 0 <= connector <= connectors,
            "TxProfile": connector == CONNECTOR and transaction_id is not None,
        }[purpose] and profile.transaction_id in {None, transaction_id}
        kept = {
            id_: one
            for id_, one in self._profiles.items()
            if id_ != profile.charging_profile_id
            and (one[0], one[1].charging_profile_purpose, one[1].stack_level)
            != (connector, purpose, profile.stack_level)
        }
        if not fits or len(kept) >= PROFILES_MAX:
            return smart_charging.SetChargingProfileResult(status="Rejected")
        self._profiles = kept | {profile.charging_profile_id: (connector, profile)}
        return smart_charging.SetChargingProfileResult(status="Accepted")

    def end_transaction(self) -> None:
        """Drop the TxProfiles, which end with their transaction (section 3.13.1)."""
        self._profiles = {
            id_: one for id_, one in self._profiles.items() if one[1].charging_profile_purpose != "TxProfile"
        }

    def clear(
        self, request: smart_charging.ClearChargingProfile
    ) -> smart_charging.ClearChargingProfileResult:
        def matches(id_: int, connector: int, profile: ChargingProfile) -> bool:
            if request.id is not None:
                return id_ == request.id
            return (
                request.connector_id in {None, connector}
                and request.charging_profile_purpose in {None, profile.charging_profile_purpose}
                and request.stack_level in {None, profile.stack_level}
            )

        gone = [
            id_ for id_, (connector, profile) in self._profiles.items() if matches(id_, connector, profile)
        ]
        for id_ in gone:
            del self._profiles[id_]
        return smart_charging.ClearChargingProfileResult(status="Accepted" if gone else "Unknown")

    @staticmethod
    def schedule(
        request: smart_charging.GetCompositeSchedule, connectors: int
    ) -> smart_charging.GetCompositeScheduleResult:
        """Answer with the limit of the hardware. The installed charging profiles are ignored."""
        if not 0 <= request.connector_id <= connectors or request.duration <= 0:
            return smart_charging.GetCompositeScheduleResult(status="Rejected")
        unit = request.charging_rate_unit or "A"
        limit = AMPERES_MAX if unit == "A" else 3 * VOLTS * AMPERES_MAX
        period = ChargingSchedulePeriod(start_period=0, limit=limit)
        return smart_charging.GetCompositeScheduleResult(
            status="Accepted",
            connector_id=request.connector_id,
            schedule_start=now_text(),
            charging_schedule=ChargingSchedule(
                charging_rate_unit=unit, charging_schedule_period=(period,), duration=request.duration
            ),
        )


class CertificateStore:
    __slots__ = ("_roots",)

    def __init__(self) -> None:
        self._roots: list[tuple[security.CertificateUse, security.CertificateHashData]] = []

    def install(self, request: security.InstallCertificate) -> security.InstallCertificateResult:
        found = certificates.hash_data(request.certificate)
        if found is None or len(self._roots) >= CERTIFICATES_MAX:
            return security.InstallCertificateResult(status="Rejected")
        if (request.certificate_type, found) not in self._roots:
            self._roots.append((request.certificate_type, found))
        return security.InstallCertificateResult(status="Accepted")

    def list_installed(
        self, request: security.GetInstalledCertificateIds
    ) -> security.GetInstalledCertificateIdsResult:
        found = tuple(one for use, one in self._roots if use == request.certificate_type)
        return security.GetInstalledCertificateIdsResult(
            status="Accepted" if found else "NotFound", certificate_hash_data=found or None
        )

    def delete(self, request: security.DeleteCertificate) -> security.DeleteCertificateResult:
        kept = [one for one in self._roots if one[1] != request.certificate_hash_data]
        found = len(kept) < len(self._roots)
        self._roots = kept
        return security.DeleteCertificateResult(status="Accepted" if found else "NotFound")

"""Bounded storage of a simulated charge point: its local list, charging profiles and certificates."""

from gateway.ocpp16.messages import local_auth, security, smart_charging
from gateway.ocpp16.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from loadtest import certificates
from loadtest.now import now_text

CONNECTOR = 1
VOLTS, AMPERES_MAX = 230.0, 32.0
LIST_MAX, PROFILES_MAX, CERTIFICATES_MAX = 100, 16, 8


class LocalList:
    """Entries of the local list, by id tag in lower case."""

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

    def __init__(self) -> None:
        self._profiles: dict[int, tuple[int, ChargingProfile]] = {}

    def set(
        self, request: smart_charging.SetChargingProfile, transaction_id: int | None
    ) -> smart_charging.SetChargingProfileResult:
        profile, connector = request.cs_charging_profiles, request.connector_id
        purpose = profile.charging_profile_purpose
        fits = {
            "ChargePointMaxProfile": connector == 0,
            "TxDefaultProfile": connector in {0, CONNECTOR},
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
    def schedule(request: smart_charging.GetCompositeSchedule) -> smart_charging.GetCompositeScheduleResult:
        """Answer with the limit of the hardware. The installed charging profiles are ignored."""
        if request.connector_id not in {0, CONNECTOR} or request.duration <= 0:
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

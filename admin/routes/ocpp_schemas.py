"""Descriptions of the OCPP 1.6 requests in the OpenAPI document, for people without the OCPP specification.

The schemas come from the message types of the gateway. The texts are here, because only the OpenAPI document
shows them.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class _Texts(NamedTuple):
    """Description of a schema, and of each of its members by name."""

    schema: str
    members: Mapping[str, str]


_ABSENT_RETRIES: Final = (
    "How often the charge point tries again after a failure. If this member is absent, the charge point "
    "decides."
)
_RETRY_INTERVAL: Final = "Seconds between two attempts. If this member is absent, the charge point decides."
_CONNECTOR: Final = "Number of the connector, from 1."
_REQUEST_ID: Final = (
    "Id of the request, unique for the charge point. The status messages of the job repeat this id."
)
_CERTIFICATE_TYPE: Final = (
    "The charge point uses a CentralSystemRootCertificate to check the server certificate of the central "
    "system, and a ManufacturerRootCertificate to check the signature of firmware."
)
_PURPOSE: Final = (
    "ChargePointMaxProfile limits the whole charge point. TxDefaultProfile is the default for new "
    "transactions. TxProfile limits one transaction."
)
_RATE_UNIT: Final = "Unit of the limits: A (amperes per phase) or W (watts of all phases together)."
_LIST_UPDATE: Final = "Full replaces the whole list. Differential changes some entries of the list."

_TEXTS: Final[Mapping[str, _Texts]] = {
    "AuthorizationData": _Texts(
        "An entry of a local authorisation list (OCPP 1.6 section 7.1).",
        {
            "idTag": "The id tag.",
            "idTagInfo": "Status of the id tag. A Full update must have the status of each entry. If the "
            "status is absent in a Differential update, the charge point removes the entry.",
        },
    ),
    "CancelReservation": _Texts(
        "Cancel a reservation (OCPP 1.6 section 5.1).",
        {"reservationId": "Id of the reservation to cancel."},
    ),
    "CertificateHashData": _Texts(
        "Hashes that identify a certificate (OCPP security whitepaper).",
        {
            "hashAlgorithm": "Algorithm of both hashes.",
            "issuerNameHash": "Hash of the issuer's distinguished name, in hexadecimal.",
            "issuerKeyHash": "Hash of the issuer's public key, in hexadecimal.",
            "serialNumber": "Serial number of the certificate, in hexadecimal.",
        },
    ),
    "CertificateSigned": _Texts(
        "Give the charge point its signed certificate (OCPP security whitepaper, A02 and A03).",
        {
            "certificateChain": "Certificates in PEM: first the certificate of the charge point, then the "
            "certificates of the authorities that signed it."
        },
    ),
    "ChangeAvailability": _Texts(
        "Make a connector available or unavailable (OCPP 1.6 section 5.2).",
        {
            "connectorId": "Number of the connector. 0 means the charge point and all connectors.",
            "type": "Operative makes the connector available for charging. Inoperative makes the connector "
            "unavailable, after a running transaction has ended.",
        },
    ),
    "ChangeConfiguration": _Texts(
        "Set a configuration key (OCPP 1.6 section 5.3).",
        {"key": "Name of the key.", "value": "New value, always as text."},
    ),
    "ChargingProfile": _Texts(
        "A charging profile (OCPP 1.6 section 7.8).",
        {
            "chargingProfileId": "Id of the profile, unique for the charge point. The profile replaces an "
            "older profile with the same id.",
            "transactionId": "The transaction that a TxProfile limits. This member must be absent in a "
            "RemoteStartTransaction.",
            "stackLevel": "Stack level, from 0. Among profiles of one purpose that are valid at the same "
            "time, the profile with the highest stack level applies.",
            "chargingProfilePurpose": _PURPOSE,
            "chargingProfileKind": "An Absolute schedule begins at `startSchedule`. A Recurring schedule "
            "begins again each day or week. A Relative schedule begins with the transaction.",
            "recurrencyKind": "Daily or Weekly. Only a Recurring profile has this member.",
            "validFrom": "Time from which the profile is valid. If this member is absent, the profile is "
            "valid as soon as the charge point receives it.",
            "validTo": "Time until which the profile is valid. If this member is absent, the profile is "
            "valid until another profile replaces it.",
            "chargingSchedule": "The limits over time.",
        },
    ),
    "ChargingSchedule": _Texts(
        "Limits over time (OCPP 1.6 section 7.13).",
        {
            "duration": "Length of the schedule in seconds. If this member is absent, the last period does "
            "not end.",
            "startSchedule": "Time at which an Absolute or Recurring schedule begins.",
            "chargingRateUnit": _RATE_UNIT,
            "chargingSchedulePeriod": "The limits, sorted by their start. The first period starts at 0.",
            "minChargingRate": "Lowest rate at which the vehicle charges efficiently, in `chargingRateUnit`. "
            "This rate is a hint and sets no limit.",
        },
    ),
    "ChargingSchedulePeriod": _Texts(
        "A limit that applies from the start of its period until the start of the next period (OCPP 1.6 "
        "section 7.14).",
        {
            "startPeriod": "Start of the period, in seconds after the start of the schedule.",
            "limit": "Limit in `chargingRateUnit`, with at most one decimal.",
            "numberPhases": "How many phases may be used, 1 to 3. If this member is absent, 3 phases may be "
            "used.",
        },
    ),
    "ClearCache": _Texts("Clear the authorisation cache (OCPP 1.6 section 5.4).", {}),
    "ClearChargingProfile": _Texts(
        "Clear charging profiles (OCPP 1.6 section 5.5). Without `id`, the charge point clears each profile "
        "that matches all other members of the request. Without any member, the charge point clears all "
        "profiles.",
        {
            "id": "chargingProfileId of the profile to clear. If this member is present, the charge point "
            "ignores the other members.",
            "connectorId": "Clear profiles of this connector. 0 means profiles of the whole charge point.",
            "chargingProfilePurpose": f"Clear profiles of this purpose. {_PURPOSE}",
            "stackLevel": "Clear profiles of this stack level.",
        },
    ),
    "DataTransfer": _Texts(
        "Send data of a vendor's extension (OCPP 1.6 section 5.6).",
        {
            "vendorId": "Id of the vendor that defines the extension.",
            "messageId": "Id of the message within the extension.",
            "data": "Data of the message, as text whose format the vendor defines.",
        },
    ),
    "DeleteCertificate": _Texts(
        "Delete a certificate in the charge point (OCPP security whitepaper, M04).",
        {"certificateHashData": "Hash data of the certificate, as the charge point reported it."},
    ),
    "ExtendedTriggerMessage": _Texts(
        "Ask the charge point to send a message (OCPP security whitepaper).",
        {
            "requestedMessage": "The message to send. FirmwareStatusNotification asks for a "
            "SignedFirmwareStatusNotification. SignChargePointCertificate asks for a SignCertificate.",
            "connectorId": f"{_CONNECTOR} If this member is absent and the message is about a connector, "
            "the charge point sends the message for all connectors.",
        },
    ),
    "Firmware": _Texts(
        "Signed firmware (OCPP security whitepaper).",
        {
            "location": "URL to download the firmware from.",
            "retrieveDateTime": "Earliest time at which the charge point may download the firmware.",
            "installDateTime": "Earliest time at which the charge point may install the firmware. If this "
            "member is absent, the charge point decides.",
            "signingCertificate": "Certificate with which the signature can be checked, in PEM.",
            "signature": "Signature of the firmware, in base64.",
        },
    ),
    "GetCompositeSchedule": _Texts(
        "Ask for the combined effect of all charging profiles on a connector (OCPP 1.6 section 5.7).",
        {
            "connectorId": "Number of the connector. 0 means the grid connection, which is all connectors "
            "together.",
            "duration": "Length of the schedule in seconds, from now.",
            "chargingRateUnit": f"{_RATE_UNIT} If this member is absent, the charge point decides.",
        },
    ),
    "GetConfiguration": _Texts(
        "Ask for configuration keys (OCPP 1.6 section 5.8).",
        {"key": "Names of the keys. If the list is absent or empty, the charge point reports all keys."},
    ),
    "GetDiagnostics": _Texts(
        "Ask the charge point to upload its diagnostics (OCPP 1.6 section 5.9).",
        {
            "location": "URL of the directory to upload to.",
            "retries": _ABSENT_RETRIES,
            "retryInterval": _RETRY_INTERVAL,
            "startTime": "Start of the period that the diagnostics cover.",
            "stopTime": "End of the period that the diagnostics cover.",
        },
    ),
    "GetInstalledCertificateIds": _Texts(
        "Ask for the installed certificates of one type (OCPP security whitepaper, M03).",
        {"certificateType": _CERTIFICATE_TYPE},
    ),
    "GetLocalListVersion": _Texts(
        "Ask for the version of the local authorisation list (OCPP 1.6 section 5.10).", {}
    ),
    "GetLog": _Texts(
        "Ask the charge point to upload a log (OCPP security whitepaper, N01).",
        {
            "logType": "DiagnosticsLog has the diagnostics of the charge point. SecurityLog has the security "
            "events of the charge point.",
            "requestId": _REQUEST_ID,
            "log": "Where to upload the log, and which period the log covers.",
            "retries": _ABSENT_RETRIES,
            "retryInterval": _RETRY_INTERVAL,
        },
    ),
    "IdTagInfo": _Texts(
        "Status of an id tag (OCPP 1.6 section 7.27).",
        {
            "status": "Accepted means that the driver may charge. Blocked means that the tag is blocked. "
            "Expired means that the tag is no longer valid. Invalid means that the tag is unknown. "
            "ConcurrentTx means that another transaction uses the tag.",
            "expiryDate": "When the tag expires. If this member is absent, the tag never expires.",
            "parentIdTag": "Parent id tag, which names a group: id tags with the same parent may stop each "
            "other's transactions.",
        },
    ),
    "InstallCertificate": _Texts(
        "Install a root certificate (OCPP security whitepaper, M05).",
        {"certificateType": _CERTIFICATE_TYPE, "certificate": "The root certificate, in PEM."},
    ),
    "LogParameters": _Texts(
        "Where to upload a log, and which period the log covers (OCPP security whitepaper).",
        {
            "remoteLocation": "URL to upload the log to.",
            "oldestTimestamp": "Start of the period that the log covers.",
            "latestTimestamp": "End of the period that the log covers.",
        },
    ),
    "RemoteStartTransaction": _Texts(
        "Ask the charge point to start a transaction (OCPP 1.6 section 5.11).",
        {
            "idTag": "Id tag to start the transaction with.",
            "connectorId": f"{_CONNECTOR} If this member is absent, the charge point chooses a connector or "
            "rejects the request.",
            "chargingProfile": "A TxProfile for the transaction, without `transactionId`.",
        },
    ),
    "RemoteStopTransaction": _Texts(
        "Ask the charge point to stop a transaction (OCPP 1.6 section 5.12).",
        {
            "transactionId": "OCPP number of the transaction to stop, not the public id of the transaction "
            "in this API."
        },
    ),
    "ReserveNow": _Texts(
        "Reserve a connector (OCPP 1.6 section 5.13).",
        {
            "connectorId": "Number of the connector. 0 means any connector.",
            "expiryDate": "When the reservation ends if no transaction has used it.",
            "idTag": "Id tag for which the connector is reserved.",
            "parentIdTag": "Parent id tag: id tags with this parent may use the reservation too.",
            "reservationId": "Id of the reservation. The new reservation replaces an active reservation with "
            "the same id.",
        },
    ),
    "Reset": _Texts(
        "Restart the charge point (OCPP 1.6 section 5.14).",
        {
            "type": "With Soft, the charge point stops its transactions before it restarts. With Hard, the "
            "charge point restarts at once, without waiting for transactions to stop."
        },
    ),
    "SendLocalList": _Texts(
        "Replace or change the local authorisation list (OCPP 1.6 section 5.15).",
        {
            "listVersion": "Version of the list after the update. The version must not be 0 or -1, which "
            "have a special meaning.",
            "localAuthorizationList": "The entries. If the entries of a Full update are absent or empty, the "
            "charge point clears its list.",
            "updateType": _LIST_UPDATE,
        },
    ),
    "SetChargingProfile": _Texts(
        "Set a charging profile (OCPP 1.6 section 5.16).",
        {
            "connectorId": "Number of the connector. 0 means the whole charge point. For a TxDefaultProfile, "
            "0 means every connector.",
            "csChargingProfiles": "The profile.",
        },
    ),
    "SignedUpdateFirmware": _Texts(
        "Ask the charge point to install signed firmware (OCPP security whitepaper, L01).",
        {
            "requestId": _REQUEST_ID,
            "firmware": "The firmware, and when to install it.",
            "retries": _ABSENT_RETRIES,
            "retryInterval": _RETRY_INTERVAL,
        },
    ),
    "TriggerMessage": _Texts(
        "Ask the charge point to send a message (OCPP 1.6 section 5.17).",
        {
            "requestedMessage": "The message to send.",
            "connectorId": f"{_CONNECTOR} If this member is absent and the message is about a connector, "
            "the charge point sends the message for all connectors.",
        },
    ),
    "UnlockConnector": _Texts(
        "Unlock a connector (OCPP 1.6 section 5.18). If a transaction runs on the connector, the charge "
        "point stops the transaction first.",
        {"connectorId": _CONNECTOR},
    ),
    "UpdateFirmware": _Texts(
        "Ask the charge point to install firmware (OCPP 1.6 section 5.19).",
        {
            "location": "URL to download the firmware from.",
            "retrieveDate": "Earliest time at which the charge point may download the firmware.",
            "retries": _ABSENT_RETRIES,
            "retryInterval": _RETRY_INTERVAL,
        },
    ),
}

_URIS: Final = frozenset(
    {
        ("Firmware", "location"),
        ("GetDiagnostics", "location"),
        ("LogParameters", "remoteLocation"),
        ("UpdateFirmware", "location"),
    }
)


def with_texts(schemas: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the schemas with their descriptions and formats. A schema without texts stays as it is."""
    return {name: _with_texts(name, schema) for name, schema in schemas.items()}


def _with_texts(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    texts = _TEXTS.get(name)
    if texts is None:
        return schema
    properties = {
        member: {**given, "description": texts.members[member]}
        | ({"format": "uri"} if (name, member) in _URIS else {})
        for member, given in schema["properties"].items()
    }
    return {**schema, "description": texts.schema, "properties": properties}

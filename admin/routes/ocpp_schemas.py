"""Descriptions of the OCPP 1.6 requests in the OpenAPI document, for readers without the specification.

The schemas come from the message types of the gateway. Their texts are here, because only this document shows
them.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class _Texts(NamedTuple):
    """Description of a schema, and of each of its members by name."""

    schema: str
    members: Mapping[str, str]


_ABSENT_RETRIES: Final = "How often to try again after a failure. Absent means that the charge point decides."
_RETRY_INTERVAL: Final = "Seconds between two attempts. Absent means that the charge point decides."
_CONNECTOR: Final = "Number of the connector, from 1."
_REQUEST_ID: Final = "Id of the request, unique for the charge point. Its status messages repeat it."
_CERTIFICATE_TYPE: Final = (
    "CentralSystemRootCertificate: root of the server certificate of the central system. "
    "ManufacturerRootCertificate: root of the signature of firmware."
)
_PURPOSE: Final = (
    "ChargePointMaxProfile: limit of the whole charge point. TxDefaultProfile: default for new transactions. "
    "TxProfile: limit of one transaction."
)
_RATE_UNIT: Final = "Unit of the limits: A (amperes per phase) or W (watts of all phases together)."
_LIST_UPDATE: Final = "Full: replaces the whole list. Differential: changes some entries."

_TEXTS: Final[Mapping[str, _Texts]] = {
    "AuthorizationData": _Texts(
        "An entry of a local authorisation list (OCPP 1.6 section 7.1).",
        {
            "idTag": "The id tag.",
            "idTagInfo": "Status of the tag for the charge point. Required in a Full update. Absent in "
            "a Differential update means that the entry is removed.",
        },
    ),
    "CancelReservation": _Texts(
        "Cancel a reservation (OCPP 1.6 section 5.1).",
        {"reservationId": "Id of the reservation to cancel."},
    ),
    "CertificateHashData": _Texts(
        "Identifies a certificate by its hashes (OCPP security whitepaper).",
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
            "certificateChain": "Certificates in PEM, the certificate of the charge point first, then those "
            "of the authorities that signed it."
        },
    ),
    "ChangeAvailability": _Texts(
        "Make a connector available or unavailable (OCPP 1.6 section 5.2).",
        {
            "connectorId": "Number of the connector. 0 means the charge point and all connectors.",
            "type": "Operative: available for charging. Inoperative: not available; a running transaction "
            "ends first.",
        },
    ),
    "ChangeConfiguration": _Texts(
        "Set a configuration key (OCPP 1.6 section 5.3).",
        {"key": "Name of the key.", "value": "New value, always as text."},
    ),
    "ChargingProfile": _Texts(
        "A charging profile (OCPP 1.6 section 7.8).",
        {
            "chargingProfileId": "Id of the profile, unique for the charge point. A profile of the same id "
            "is replaced.",
            "transactionId": "The transaction of a TxProfile. Must be absent in a RemoteStartTransaction.",
            "stackLevel": "From 0. Among profiles of one purpose that are valid at the same time, the "
            "highest level counts.",
            "chargingProfilePurpose": _PURPOSE,
            "chargingProfileKind": "Absolute: the schedule begins at `startSchedule`. Recurring: it begins "
            "again each day or week. Relative: it begins with the transaction.",
            "recurrencyKind": "Daily or Weekly. Only for a Recurring profile.",
            "validFrom": "Begin of validity. Absent means as soon as the profile is received.",
            "validTo": "End of validity. Absent means until the profile is replaced.",
            "chargingSchedule": "The limits over time.",
        },
    ),
    "ChargingSchedule": _Texts(
        "Limits over time (OCPP 1.6 section 7.13).",
        {
            "duration": "Length in seconds. Absent means that the last period does not end.",
            "startSchedule": "Begin of an Absolute or Recurring schedule.",
            "chargingRateUnit": _RATE_UNIT,
            "chargingSchedulePeriod": "The limits, in the order of their start. The first starts at 0.",
            "minChargingRate": "Lowest rate at which the vehicle charges efficiently, in `chargingRateUnit`. "
            "A hint that does not limit.",
        },
    ),
    "ChargingSchedulePeriod": _Texts(
        "A limit, from its start until that of the next period (OCPP 1.6 section 7.14).",
        {
            "startPeriod": "Start of the period, in seconds after the begin of the schedule.",
            "limit": "Limit in `chargingRateUnit`, with at most one decimal.",
            "numberPhases": "How many phases may be used, 1 to 3. Absent means 3.",
        },
    ),
    "ClearCache": _Texts("Clear the authorisation cache (OCPP 1.6 section 5.4).", {}),
    "ClearChargingProfile": _Texts(
        "Clear charging profiles (OCPP 1.6 section 5.5). Without `id`, those are cleared that match every "
        "other member; without any member, all.",
        {
            "id": "chargingProfileId of the profile to clear. The other members are then ignored.",
            "connectorId": "Clear profiles of this connector. 0 means those of the whole charge point.",
            "chargingProfilePurpose": f"Clear profiles of this purpose. {_PURPOSE}",
            "stackLevel": "Clear profiles of this stack level.",
        },
    ),
    "DataTransfer": _Texts(
        "Send data of a vendor's extension (OCPP 1.6 section 5.6).",
        {
            "vendorId": "Id of the vendor that defines the extension.",
            "messageId": "Id of the message within the extension.",
            "data": "Text without a format in OCPP.",
        },
    ),
    "DeleteCertificate": _Texts(
        "Delete a certificate in the charge point (OCPP security whitepaper, M04).",
        {"certificateHashData": "The certificate, with the hash data that the charge point reported."},
    ),
    "ExtendedTriggerMessage": _Texts(
        "Ask the charge point to send a message (OCPP security whitepaper).",
        {
            "requestedMessage": "The message to send. FirmwareStatusNotification asks for "
            "SignedFirmwareStatusNotification, SignChargePointCertificate for SignCertificate.",
            "connectorId": f"{_CONNECTOR} Absent means all connectors, if the message is about connectors.",
        },
    ),
    "Firmware": _Texts(
        "Signed firmware (OCPP security whitepaper).",
        {
            "location": "URL to download the firmware from.",
            "retrieveDateTime": "When to download it at the earliest.",
            "installDateTime": "When to install it at the earliest. Absent means that the charge point "
            "decides.",
            "signingCertificate": "Certificate of the signature, in PEM.",
            "signature": "Signature of the firmware, in base64.",
        },
    ),
    "GetCompositeSchedule": _Texts(
        "Ask for the combined effect of all charging profiles on a connector (OCPP 1.6 section 5.7).",
        {
            "connectorId": "Number of the connector. 0 means the grid connection: all connectors together.",
            "duration": "Length of the schedule in seconds, from now.",
            "chargingRateUnit": f"{_RATE_UNIT} Absent means that the charge point decides.",
        },
    ),
    "GetConfiguration": _Texts(
        "Ask for configuration keys (OCPP 1.6 section 5.8).",
        {"key": "Names of the keys. Absent or empty means all."},
    ),
    "GetDiagnostics": _Texts(
        "Ask the charge point to upload its diagnostics (OCPP 1.6 section 5.9).",
        {
            "location": "URL of the directory to upload to.",
            "retries": _ABSENT_RETRIES,
            "retryInterval": _RETRY_INTERVAL,
            "startTime": "Begin of the period that the diagnostics cover.",
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
            "logType": "DiagnosticsLog: diagnostics of the charge point. SecurityLog: its security events.",
            "requestId": _REQUEST_ID,
            "log": "Where to upload the log, and which period it covers.",
            "retries": _ABSENT_RETRIES,
            "retryInterval": _RETRY_INTERVAL,
        },
    ),
    "IdTagInfo": _Texts(
        "Status of an id tag (OCPP 1.6 section 7.27).",
        {
            "status": "Accepted: may charge. Blocked: must not charge. Expired: is no longer valid. Invalid: "
            "is unknown. ConcurrentTx: is in another transaction.",
            "expiryDate": "When the tag expires. Absent means never.",
            "parentIdTag": "Group: id tags with the same parent may stop each other's transactions.",
        },
    ),
    "InstallCertificate": _Texts(
        "Install a root certificate (OCPP security whitepaper, M05).",
        {"certificateType": _CERTIFICATE_TYPE, "certificate": "The root certificate, in PEM."},
    ),
    "LogParameters": _Texts(
        "Where to upload a log, and which period it covers (OCPP security whitepaper).",
        {
            "remoteLocation": "URL to upload the log to.",
            "oldestTimestamp": "Begin of the period that the log covers.",
            "latestTimestamp": "End of the period that the log covers.",
        },
    ),
    "RemoteStartTransaction": _Texts(
        "Ask the charge point to start a transaction (OCPP 1.6 section 5.11).",
        {
            "idTag": "Id tag to start the transaction with.",
            "connectorId": f"{_CONNECTOR} If it is absent, the charge point chooses or rejects the request.",
            "chargingProfile": "A TxProfile for the transaction, without `transactionId`.",
        },
    ),
    "RemoteStopTransaction": _Texts(
        "Ask the charge point to stop a transaction (OCPP 1.6 section 5.12).",
        {"transactionId": "The transaction to stop. It is the number, not the public id of this API."},
    ),
    "ReserveNow": _Texts(
        "Reserve a connector (OCPP 1.6 section 5.13).",
        {
            "connectorId": "Number of the connector. 0 means any connector.",
            "expiryDate": "When the reservation ends if it was not used.",
            "idTag": "Id tag that the connector is reserved for.",
            "parentIdTag": "Id tags with this parent may use the reservation too.",
            "reservationId": "Id of the reservation. An active reservation of the same id is replaced.",
        },
    ),
    "Reset": _Texts(
        "Restart the charge point (OCPP 1.6 section 5.14).",
        {
            "type": "Soft: stop transactions first, then restart. Hard: restart at once, without waiting for "
            "transactions to stop."
        },
    ),
    "SendLocalList": _Texts(
        "Replace or change the local authorisation list (OCPP 1.6 section 5.15).",
        {
            "listVersion": "Version of the list after the update. Not 0 and not -1, which have a meaning of "
            "their own.",
            "localAuthorizationList": "The entries. Absent or empty in a Full update means that the list is "
            "cleared.",
            "updateType": _LIST_UPDATE,
        },
    ),
    "SetChargingProfile": _Texts(
        "Set a charging profile (OCPP 1.6 section 5.16).",
        {
            "connectorId": "Number of the connector. 0 means the whole charge point, and for a "
            "TxDefaultProfile every connector.",
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
            "connectorId": f"{_CONNECTOR} Absent means all connectors, if the message is about connectors.",
        },
    ),
    "UnlockConnector": _Texts(
        "Unlock a connector (OCPP 1.6 section 5.18). A transaction on it is stopped first.",
        {"connectorId": _CONNECTOR},
    ),
    "UpdateFirmware": _Texts(
        "Ask the charge point to install firmware (OCPP 1.6 section 5.19).",
        {
            "location": "URL to download the firmware from.",
            "retrieveDate": "When to download it at the earliest.",
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

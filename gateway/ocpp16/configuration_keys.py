"""The configuration keys that the specification names (section 9, errata 2025-04, whitepaper section 7).

All values are sent as text, and keys are compared without regard to upper and lower case. A charge point may
know other keys, and may even lack required keys. Therefore csms only warns about a value that breaks a rule
of this module, and never refuses the value.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

type KeyKind = Literal["boolean", "integer", "list", "text"]
"""Type of a key's value. A `list` is comma-separated (CSL in the specification)."""
type Access = Literal["R", "RW", "W", "R or RW"]

MAX_KEYS: Final = "GetConfigurationMaxKeys"
AUTHORIZATION_KEY: Final = "AuthorizationKey"

_HEX_KEY = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")
_INTEGER = re.compile(r"[0-9]{1,10}")


class ConfigurationKey(NamedTuple):
    name: str
    kind: KeyKind
    access: Access


def find(name: str) -> ConfigurationKey | None:
    """Return the key of this name. None means that the specification has no such key."""
    return KEYS.get(name.strip().lower())


def check_value(name: str, value: str) -> str | None:
    """Return the rule that the value of a key breaks, without quoting the value.

    None means that the value is right, or that the specification does not name the key.
    """
    match find(name):
        case ConfigurationKey(name=key) if key == AUTHORIZATION_KEY:
            fits = _HEX_KEY.fullmatch(value) is not None
            rule = "must be 16 to 20 bytes in hexadecimal, that is 32 to 40 digits (whitepaper A01)"
        case ConfigurationKey(kind="boolean"):
            fits, rule = value.strip().lower() in {"true", "false"}, "must be true or false"
        case ConfigurationKey(kind="integer"):
            fits = _INTEGER.fullmatch(value.strip()) is not None
            rule = "must be a whole number that is not negative"
        case ConfigurationKey(kind="list"):
            fits = not value or all(item.strip() for item in value.split(","))
            rule = "must be a list of items with a comma between them, and no item may be empty"
        case _:
            return None
    return None if fits else rule


def length_key(name: str) -> str | None:
    """Return the key that limits the number of items in the value of the key `name`: `{name}MaxLength`."""
    key = find(f"{name.strip()}MaxLength")
    return None if key is None else key.name


def _read(table: str) -> Mapping[str, ConfigurationKey]:
    """Read the keys from rows of `name kind access`."""
    kinds: dict[str, KeyKind] = {"bool": "boolean", "int": "integer", "CSL": "list", "text": "text"}
    accesses: dict[str, Access] = {"R": "R", "RW": "RW", "W": "W", "R/RW": "R or RW"}
    rows = (line.split() for line in table.split("\n") if line.strip())
    keys = [ConfigurationKey(name, kinds[kind], accesses[access]) for name, kind, access in rows]
    return {key.name.lower(): key for key in keys}


KEYS: Final = _read("""
    AllowOfflineTxForUnknownId               bool  RW
    AuthorizationCacheEnabled                bool  RW
    AuthorizeRemoteTxRequests                bool  R/RW
    BlinkRepeat                              int   RW
    ClockAlignedDataInterval                 int   RW
    ConnectionTimeOut                        int   RW
    ConnectorPhaseRotation                   CSL   RW
    ConnectorPhaseRotationMaxLength          int   R
    GetConfigurationMaxKeys                  int   R
    HeartbeatInterval                        int   RW
    LightIntensity                           int   RW
    LocalAuthorizeOffline                    bool  RW
    LocalPreAuthorize                        bool  RW
    MaxEnergyOnInvalidId                     int   RW
    MessageTimeout                           int   RW
    MeterValuesAlignedData                   CSL   RW
    MeterValuesAlignedDataMaxLength          int   R
    MeterValuesSampledData                   CSL   RW
    MeterValuesSampledDataMaxLength          int   R
    MeterValueSampleInterval                 int   RW
    MinimumStatusDuration                    int   RW
    NumberOfConnectors                       int   R
    ResetRetries                             int   RW
    StopTransactionMaxMeterValues            int   R
    StopTransactionOnEVSideDisconnect        bool  R/RW
    StopTransactionOnInvalidId               bool  RW
    StopTxnAlignedData                       CSL   RW
    StopTxnAlignedDataMaxLength              int   R
    StopTxnSampledData                       CSL   RW
    StopTxnSampledDataMaxLength              int   R
    SupportedFeatureProfiles                 CSL   R
    SupportedFeatureProfilesMaxLength        int   R
    TransactionMessageAttempts               int   RW
    TransactionMessageRetryInterval          int   RW
    UnlockConnectorOnEVSideDisconnect        bool  R/RW
    WebSocketPingInterval                    int   RW

    LocalAuthListEnabled                     bool  RW
    LocalAuthListMaxLength                   int   R
    SendLocalListMaxLength                   int   R

    ReserveConnectorZeroSupported            bool  R

    ChargeProfileMaxStackLevel               int   R
    ChargingScheduleAllowedChargingRateUnit  CSL   R
    ChargingScheduleMaxPeriods               int   R
    ConnectorSwitch3to1PhaseSupported        bool  R
    MaxChargingProfilesInstalled             int   R

    SupportedFileTransferProtocols           CSL   R

    AdditionalRootCertificateCheck           bool  R
    AuthorizationKey                         text  W
    CertificateSignedMaxChainSize            int   R
    CertificateStoreMaxLength                int   R
    CpoName                                  text  RW
    SecurityProfile                          int   RW
""")

"""The 77 cases that test a central system: id, name and group.

Ids and names are those of the OCA's test case document for OCPP 1.6, in which each id has the suffix _CSMS.
The security cases are grouped into profiles as in Part 5 of OCPP 2.0.1.
"""

import re
from typing import Final, Literal, NamedTuple

type Group = Literal[
    "Core",
    "Core, security part",
    "Local authorisation list",
    "Reservation",
    "Smart Charging",
    "Advanced Security",
]


class Case(NamedTuple):
    id: str
    name: str
    group: Group


# fmt: off
CASES: Final = (
    Case("TC_001",   "Cold boot",                                             "Core"),
    Case("TC_003",   "Regular charging session, plug-in first",               "Core"),
    Case("TC_004_1", "Regular charging session, identification first",        "Core"),
    Case("TC_004_2", "Identification first, ConnectionTimeOut",               "Core"),
    Case("TC_005_1", "EV-side disconnect, StopTransactionOnEVSideDisconnect", "Core"),
    Case("TC_007",   "Cached id",                                             "Core"),
    Case("TC_010",   "Remote start, cable plugged in first",                  "Core"),
    Case("TC_011_1", "Remote start, remote start first",                      "Core"),
    Case("TC_011_2", "Remote start, time-out",                                "Core"),
    Case("TC_012",   "Remote stop",                                           "Core"),
    Case("TC_013",   "Hard reset",                                            "Core"),
    Case("TC_014",   "Soft reset",                                            "Core"),
    Case("TC_017_1", "Unlock connector, no session, detachable cable",        "Core"),
    Case("TC_017_2", "Unlock connector, no session, fixed cable",             "Core"),
    Case("TC_018_1", "Unlock connector with a session",                       "Core"),
    Case("TC_019_1", "Get all configuration keys",                            "Core"),
    Case("TC_019_2", "Get one configuration key",                             "Core"),
    Case("TC_021",   "Change configuration",                                  "Core"),
    Case("TC_023_1", "Authorize invalid",                                     "Core"),
    Case("TC_023_2", "Authorize expired",                                     "Core"),
    Case("TC_023_3", "Authorize blocked",                                     "Core"),
    Case("TC_024",   "Lock failure",                                          "Core"),
    Case("TC_026",   "Remote start rejected",                                 "Core"),
    Case("TC_028",   "Remote stop rejected",                                  "Core"),
    Case("TC_030",   "Unlock failure",                                        "Core"),
    Case("TC_031",   "Unlock of an unknown connector",                        "Core"),
    Case("TC_032_1", "Power failure, stop transactions",                      "Core"),
    Case("TC_037_1", "Offline start, valid id",                               "Core"),
    Case("TC_037_3", "Offline start, invalid id, StopTransactionOnInvalidId", "Core"),
    Case("TC_039",   "Offline transaction",                                   "Core"),
    Case("TC_040_1", "Configuration key not supported",                       "Core"),
    Case("TC_040_2", "Configuration with an invalid value",                   "Core"),
    Case("TC_044_1", "Firmware update, download and install",                 "Core"),
    Case("TC_044_2", "Firmware update, download failed",                      "Core"),
    Case("TC_044_3", "Firmware update, installation failed",                  "Core"),
    Case("TC_045_1", "Get diagnostics",                                       "Core"),
    Case("TC_045_2", "Get diagnostics, upload failed",                        "Core"),
    Case("TC_054",   "Trigger message",                                       "Core"),
    Case("TC_055",   "Trigger message rejected",                              "Core"),
    Case("TC_061",   "Clear cache",                                           "Core"),
    Case("TC_064",   "Data transfer to the central system",                   "Core"),
    Case("TC_042_1", "Get local list version, not supported",                 "Local authorisation list"),
    Case("TC_042_2", "Get local list version, empty",                         "Local authorisation list"),
    Case("TC_043_1", "Send local list, not supported",                        "Local authorisation list"),
    Case("TC_043_3", "Send local list, failed",                               "Local authorisation list"),
    Case("TC_043_4", "Send local list, full",                                 "Local authorisation list"),
    Case("TC_043_5", "Send local list, differential",                         "Local authorisation list"),
    Case("TC_046",   "Reservation of a connector, transaction",               "Reservation"),
    Case("TC_047",   "Reservation of a connector, expired",                   "Reservation"),
    Case("TC_048_1", "Reservation, faulted",                                  "Reservation"),
    Case("TC_048_2", "Reservation, occupied",                                 "Reservation"),
    Case("TC_048_3", "Reservation, unavailable",                              "Reservation"),
    Case("TC_048_4", "Reservation, rejected",                                 "Reservation"),
    Case("TC_049",   "Reservation of the charge point, transaction",          "Reservation"),
    Case("TC_051",   "Cancel reservation",                                    "Reservation"),
    Case("TC_052",   "Cancel reservation, rejected",                          "Reservation"),
    Case("TC_053",   "Reservation with a parentIdTag",                        "Reservation"),
    Case("TC_056",   "Charging profile, TxDefaultProfile",                    "Smart Charging"),
    Case("TC_057",   "Charging profile, TxProfile",                           "Smart Charging"),
    Case("TC_059",   "Remote start with a charging profile",                  "Smart Charging"),
    Case("TC_066",   "Get composite schedule",                                "Smart Charging"),
    Case("TC_067",   "Clear charging profile",                                "Smart Charging"),
    Case("TC_073",   "Update of the Basic authentication password",           "Core, security part"),
    Case("TC_074",   "Update of the certificate by the central system",       "Advanced Security"),
    Case("TC_075_1", "Install a manufacturer's root certificate",             "Core, security part"),
    Case("TC_075_2", "Install a central system's root certificate",           "Core, security part"),
    Case("TC_076",   "Delete a certificate",                                  "Core, security part"),
    Case("TC_077",   "Invalid certificate in CertificateSigned",              "Advanced Security"),
    Case("TC_078",   "Invalid central system's root certificate",             "Core, security part"),
    Case("TC_079",   "Get security log",                                      "Core, security part"),
    Case("TC_080",   "Secure firmware update",                                "Core, security part"),
    Case("TC_081",   "Secure firmware update, invalid signature",             "Core, security part"),
    Case("TC_083",   "Upgrade of the security profile",                       "Advanced Security"),
    Case("TC_085",   "Basic authentication",                                  "Core, security part"),
    Case("TC_086",   "TLS with the central system's certificate",             "Core, security part"),
    Case("TC_087",   "TLS with the charge point's certificate",               "Advanced Security"),
    Case("TC_088",   "Websocket subprotocol negotiation",                     "Core, security part"),
)
# fmt: on

BY_ID: Final = {case.id: case for case in CASES}

_TEST = re.compile(r"test_(tc_\d{3}(?:_\d)?)_[a-z]")


def case_of(test: str) -> Case | None:
    """Return the case that a test function is named after, or None if the name is not that of a case."""
    match = _TEST.match(test)
    return BY_ID.get(match[1].upper()) if match else None

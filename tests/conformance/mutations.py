"""Ways to break csms, each with the cases and tests that must then fail.

Each mutation replaces a text that is found exactly once in its file. If a change of the product removes such
a text, the test of this table fails. The mutation must then be moved to the place where the behaviour is now.
"""

from typing import Final, NamedTuple


class Mutation(NamedTuple):
    """`caught_by` holds ids of cases, or names of other tests.

    Every case and test in `caught_by` must fail.
    """

    breaks: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]


_CORE = "gateway/handlers/core.py"
_FRAMES = "gateway/ocpp16/frames.py"
_ANSWERS = "gateway/session/answers.py"
_CALL = "return _encode(_Call(id_, action, payload))"
_RESULT = "return _encode(_CallResult(id_, payload))"


def _call(breaks: str, old: str, new: str, *caught_by: str) -> Mutation:
    """Break the calls that the product sends."""
    return Mutation(breaks, _FRAMES, _CALL, f"{_CALL}.replace({old.encode()!r}, {new.encode()!r})", caught_by)


def _result(breaks: str, old: str, new: str, *caught_by: str) -> Mutation:
    """Break the answers that the product sends."""
    return Mutation(
        breaks, _FRAMES, _RESULT, f"{_RESULT}.replace({old.encode()!r}, {new.encode()!r})", caught_by
    )


def _unasked(breaks: str, after: str, action: str, *caught_by: str) -> Mutation:
    """After each answer to the action `after`, also send a call that nobody requested."""
    old = "link.node.telemetry.observe_call(call.action, monotonic() - began)"
    new = f'{old}\n        if call.action == "{after}":\n'
    new += f'            link.connection.send_now(b\'[2,"unasked","{action}",{{}}]\')'
    return Mutation(breaks, _ANSWERS, old, new, caught_by)


MUTATIONS: Final = (
    # --- Answers ---
    Mutation(
        "a boot is answered Pending",
        _CORE,
        "status=booted.status,",
        'status="Pending",',
        ("TC_001", "TC_013"),
    ),
    Mutation(
        "a Heartbeat is answered without a time",
        _CORE,
        "return core.HeartbeatResult(current_time=now_text())",
        "return core.MeterValuesResult()",
        ("TC_001",),
    ),
    Mutation(
        "currentTime has no zone",
        "gateway/handlers/charge_point.py",
        'return f"{_second_text}{ms:03d}Z"',
        'return f"{_second_text}{ms:03d}"',
        ("TC_001", "TC_054"),
    ),
    _result("interval has another name", '"interval":', '"heartbeatInterval":', "TC_001"),
    _result("an answer has a property too many", '"transactionId":', '"us":1,"transactionId":', "TC_007"),
    _result("an empty answer is null", ",{}]", ",null]", "TC_005_1", "TC_044_2"),
    Mutation(
        "an unknown tag is answered Blocked",
        "gateway/handlers/authorization.py",
        'IdTagInfo(status="Invalid")',
        'IdTagInfo(status="Blocked")',
        ("TC_023_1", "TC_037_3"),
    ),
    Mutation(
        "an expired tag is answered Invalid",
        "gateway/handlers/authorization.py",
        'return "Expired"',
        'return "Invalid"',
        ("TC_023_2",),
    ),
    _result("a blocked tag is answered Accepted", '"Blocked"', '"Accepted"', "TC_023_3"),
    _result("the parentIdTag is left out", '"parentIdTag":"OCTT-PARENT",', "", "TC_053"),
    Mutation(
        "an unknown vendor is answered Accepted",
        "gateway/handlers/data_transfer.py",
        'return core.DataTransferResult(status="UnknownVendorId")',
        'return core.DataTransferResult(status="Accepted")',
        ("TC_064",),
    ),
    # --- Transactions ---
    Mutation(
        "an invalid tag gets no transactionId",
        _CORE,
        "id_tag_info=info, transaction_id=outcome.id",
        'id_tag_info=info, transaction_id=0 if info.status == "Invalid" else outcome.id',
        ("TC_037_3",),
    ),
    Mutation(
        "a transactionId is given twice",
        _CORE,
        "id_tag_info=info, transaction_id=outcome.id",
        "id_tag_info=info, transaction_id=7",
        ("TC_004_1", "TC_012"),
    ),
    Mutation(
        "a repeated start is a new one",
        "state/transactions/starting.py",
        "facts = (self.connector_id,",
        "facts = (self.received_ms,",
        ("TC_037_1",),
    ),
    Mutation(
        "offline times are replaced by those of receipt",
        _CORE,
        "started_ms = charge_point.read_time(request.timestamp)",
        "started_ms, request.timestamp = None, now_text()",
        ("TC_037_1", "TC_039"),
    ),
    Mutation(
        "the reason of a stop is lost",
        _CORE,
        "reason=request.reason,",
        "reason=None,",
        ("TC_012", "TC_032_1"),
    ),
    Mutation(
        "a stop of an unknown transaction is a CALLERROR",
        _CORE,
        "peculiarities.check_stop(request, outcome, stop.stopped_ms, charge_point)",
        "assert not isinstance(outcome, transactions.Orphaned)",
        ("test_a_stop_transaction_request_for_an_unknown_transaction_is_answered",),
    ),
    Mutation(
        "the reservation of a start is forgotten",
        _CORE,
        "reservation_id=request.reservation_id,",
        "reservation_id=None,",
        ("TC_046", "TC_049"),
    ),
    # --- Calls ---
    _unasked("a boot is followed by GetConfiguration", "BootNotification", "GetConfiguration", "TC_001"),
    _unasked(
        "a stop is followed by ClearChargingProfile", "StopTransaction", "ClearChargingProfile", "TC_012"
    ),
    _unasked(
        "a failed update is followed by a call",
        "FirmwareStatusNotification",
        "GetLocalListVersion",
        "TC_044_2",
    ),
    _call("no keys are sent as null", '"GetConfiguration",{}', '"GetConfiguration",{"key":null}', "TC_019_1"),
    _call("an empty call is null", ",{}]", ",null]", "TC_061", "TC_042_2"),
    _call("a value is a number", '"value":"60"', '"value":60', "TC_021"),
    _call(
        "ClearChargingProfile has its absent fields as null",
        '"ClearChargingProfile",{}',
        '"ClearChargingProfile",{"id":null,"connectorId":null}',
        "TC_067",
    ),
    _call(
        "a trigger for a certificate has a connectorId",
        '"requestedMessage":"SignChargePointCertificate"',
        '"requestedMessage":"SignChargePointCertificate","connectorId":1',
        "test_an_extended_trigger_message_for_a_new_certificate_does_not_name_a_connector",
    ),
    _call("ReserveNow has lost its parentIdTag", ',"parentIdTag":"OCTT-PARENT"', "", "TC_053"),
    _call(
        "a Relative profile recurs", '"Relative"', '"Relative","recurrencyKind":"Daily"', "TC_057", "TC_059"
    ),
    _call("an entry of a local list has no idTagInfo", ',"idTagInfo":', ',"info":', "TC_043_4", "TC_043_5"),
    Mutation(
        "a message id is longer than 36 characters",
        _FRAMES,
        _CALL,
        "return _encode(_Call(id_ + id_, action, payload))",
        ("TC_030",),
    ),
    Mutation(
        "a certificate is deleted by other hash data than the reported",
        "admin/routes/certificates.py",
        "convert(found, CertificateHashData)",
        "convert(found, CertificateHashData, issuer_name_hash=found.issuer_key_hash)",
        ("TC_076",),
    ),
    # --- Operators ---
    Mutation(
        "an unlock is refused as unwise",
        "admin/commands/preconditions.py",
        "if not may_send(action, held):",
        'if action == "UnlockConnector" or not may_send(action, held):',
        ("TC_018_1", "TC_031"),
    ),
    Mutation(
        "a command that is warned of is held back",
        "admin/commands/send.py",
        "    warnings = await warnings_for(request, View(store, record, firmware_sha256, waits_s))\n",
        "    warnings = await warnings_for(request, View(store, record, firmware_sha256, waits_s))\n"
        '    if warnings:\n        raise Problem(409, "unwise", " ".join(warnings))\n',
        ("TC_028",),
    ),
    # --- Connections ---
    Mutation(
        "a charge point that does not offer our subprotocol is not refused",
        "gateway/admission/handshake.py",
        "if SUBPROTOCOL not in upgrade.subprotocols:",
        "if not upgrade.subprotocols:",
        ("TC_088",),
    ),
    Mutation(
        "the first subprotocol is chosen, whichever it is",
        "gateway/admission/serving.py",
        "connection = await upgrade.accept(SUBPROTOCOL)",
        "connection = await upgrade.accept(upgrade.subprotocols[0])",
        ("TC_088",),
    ),
    Mutation(
        "a Pending charge point is served",
        "gateway/ocpp16/registration.py",
        'held == "Pending" and action in triggered',
        'held == "Pending"',
        ("test_a_charge_point_is_pending_at_first_and_is_served_after_an_operator_accepts_it",),
    ),
    Mutation(
        "the static RSA suites are off",
        "gateway/websocket/tls.py",
        'f"{_EPHEMERAL}:{_STATIC_RSA}" if static_rsa else _EPHEMERAL',
        "_EPHEMERAL",
        ("test_the_server_has_certificates_with_both_key_types_and_all_four_required_cipher_suites",),
    ),
    # --- Security profiles ---
    Mutation(
        "any password is right",
        "gateway/admission/proof.py",
        "    if evidence.digest is not None:\n",
        "    if evidence.digest is not None or evidence.header is not None:\n",
        ("TC_085",),
    ),
    Mutation(
        "the new password is not stored",
        "state/charge_points/security.py",
        "put = {**kept.put, _PASSWORD: _encode(Password(digest, now_ms))}",
        "put = {**kept.put}",
        ("TC_073",),
    ),
    Mutation(
        "a connection with a lower profile is served",
        "gateway/admission/proof.py",
        "floor = max(tenant.security_profile, evidence.security.floor)",
        "floor = 0",
        ("TC_083", "TC_085", "TC_087"),
    ),
    Mutation(
        "the profile does not rise with the first connection",
        "state/charge_points/security.py",
        "if proof.profile > now.floor:",
        "if proof.profile > 3:",
        ("TC_083",),
    ),
    Mutation(
        "the profile rises as soon as the charge point has accepted it",
        "gateway/admission/proof.py",
        "if profile < floor:",
        "if profile != floor:",
        ("TC_083",),
    ),
    Mutation(
        "a client certificate proves nothing",
        "gateway/admission/proof.py",
        "    if evidence.certificate is not None and unbound is None:\n        return 3\n",
        "",
        ("TC_074", "TC_077", "TC_083", "TC_087"),
    ),
    Mutation(
        "a certificate that was accepted is no longer right",
        "state/charge_points/security.py",
        'return self.status in {"sent", "accepted"}',
        'return self.status == "sent"',
        ("TC_077",),
    ),
    Mutation(
        "certificates have another common name than the request",
        "admin/pki/issue.py",
        "write_name(_organisation(owner.tenant, request), names[0]),",
        "write_name(_organisation(owner.tenant, request), names[0][:-1]),",
        ("TC_074",),
    ),
    Mutation(
        "the chain has CRLF line ends",
        "admin/pki/issue.py",
        'chain = write_pem((certificate, *issuer.chain)).decode("ascii")',
        'chain = write_pem((certificate, *issuer.chain)).decode("ascii").replace("\\n", "\\r\\n")',
        ("TC_074", "TC_077"),
    ),
    Mutation(
        "gateways trust no client certificate",
        "gateway/websocket/tls.py",
        "context.verify_mode = ",
        "context.verify_mode = ssl.CERT_NONE if True else ",
        ("TC_074", "TC_087"),
    ),
)

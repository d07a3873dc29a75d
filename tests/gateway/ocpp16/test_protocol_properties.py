"""Each of our calls ends exactly once and raises no error, even with a bad link and a hostile peer."""

import json
from collections import Counter, deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import CallAnswered, CallRefused, Ignored, IncomingCall, OutgoingCall, Reply

CALLS: dict[Role, Message] = {
    Role.CENTRAL_SYSTEM: core.UnlockConnector(connector_id=1),
    Role.CHARGE_POINT: core.Authorize(id_tag="x"),
}
ANSWERS: dict[str, list[Message]] = {
    "UnlockConnector": [
        core.UnlockConnectorResult(status="Unlocked"),
        core.UnlockConnectorResult(status="NotSupported"),
    ],
    "Authorize": [core.AuthorizeResult(id_tag_info=IdTagInfo(status="Blocked"))],
}


class Party:
    """A Protocol, the frames that it has not received yet, and how often each of its calls ended."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.protocol = Protocol(role, call_timeout=10)
        self.inbox: deque[bytes] = deque()
        self.made = 0
        self.endings: Counter[str] = Counter()
        self.unanswered: list[IncomingCall] = []
        self.answers_given: dict[str, Message | None] = {}

    def call(self, now: float) -> bytes | None:
        if self.protocol.outstanding is not None:
            return None
        self.made += 1
        return self.protocol.call(CALLS[self.role], f"{self.role.name}-{self.made}", now)

    def receive(self, other: "Party") -> bytes | None:
        received = self.protocol.receive(self.inbox.popleft())
        match received:
            case IncomingCall():
                assert received.request == CALLS[other.role]
                self.unanswered.append(received)
            case CallAnswered():
                self.end(received.call)
                assert other.answers_given[received.call.id] == received.result
            case CallRefused():
                self.end(received.call)
            case Reply():
                return received.frame
            case Ignored():
                pass
        return None

    def end(self, call: OutgoingCall) -> None:
        self.endings[call.id] += 1

    def answer(self, pick: int) -> bytes | None:
        if not self.unanswered:
            return None
        call = self.unanswered.pop(pick % len(self.unanswered))
        choices = ANSWERS[call.action]
        if pick % 3 == 0:
            return self.protocol.refuse(call, "InternalError")
        result = choices[pick % len(choices)]
        self.answers_given[str(call.id)] = result
        return self.protocol.answer(call, result)

    def tick(self, now: float) -> None:
        if (timed_out := self.protocol.tick(now)) is not None:
            self.end(timed_out)


JUNK = st.sampled_from(
    [b"", b"[]", b'[9,"x"]', b'[3,"x",{}]', b'[2,"x","Foo",{}]', b"\xff", b"[4,1]", b'[2,"x"']
)
STEP = st.tuples(
    st.sampled_from(["call", "receive", "receive", "answer", "answer", "lose", "repeat", "junk", "wait"]),
    st.booleans(),
    st.integers(0, 20),
    JUNK,
)


@settings(max_examples=150)
@given(st.lists(STEP, max_size=120))
def test_each_call_over_a_bad_connection_ends_exactly_once(  # noqa: C901  one case per verb
    steps: list[tuple[str, bool, int, bytes]],
) -> None:
    parties = Party(Role.CENTRAL_SYSTEM), Party(Role.CHARGE_POINT)
    now = 0.0
    for verb, which, number, junk in steps:
        party, other = parties if which else parties[::-1]
        frame = None
        match verb:
            case "call":
                frame = party.call(now)
            case "receive" if party.inbox:
                frame = party.receive(other)
            case "answer":
                frame = party.answer(number)
            case "lose" if party.inbox:
                party.inbox.popleft()
            case "repeat" if party.inbox:
                party.inbox.append(party.inbox[0])
            case "junk":
                frame = junk
            case "wait":
                now += number
                for one in parties:
                    one.tick(now)
        if frame is not None:
            other.inbox.append(frame)
    now += 100
    for one in parties:
        one.tick(now)
        assert one.protocol.outstanding is None
        assert one.endings == Counter({f"{one.role.name}-{number}": 1 for number in range(1, one.made + 1)})


def ends_well(frame: bytes | str, *, strict: bool, role: Role) -> None:
    protocol = Protocol(role, strict=strict)
    protocol.call(CALLS[role], "1", 0)
    received = protocol.receive(frame)
    assert isinstance(received, IncomingCall | CallAnswered | CallRefused | Reply | Ignored)
    if isinstance(received, Reply):
        kind, _, code, text, details = json.loads(received.frame)
        assert (kind, details) == (4, {})
        assert code
        assert len(text) <= 255
    if isinstance(received, IncomingCall):
        json.loads(received.payload)
    if isinstance(received, Ignored):
        assert protocol.faults[received.reason] == 1


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=15,
)
ACTION = st.sampled_from(
    [
        "StopTransaction",
        "MeterValues",
        "StatusNotification",
        "BootNotification",
        "UnlockConnector",
        "DataTransfer",
        "x",
    ]
)
FIELDS = (
    "connectorId transactionId meterValue sampledValue timestamp value unit meterStop "
    "idTag reason transactionData errorCode status info chargePointVendor vendorId"
)
FIELD = st.sampled_from(FIELDS.split())
TREE: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [None, 1, -1, "1", "1.0", "Wh", "Foo", "NoError", "Local", 1.5, 1e300, 2**70, True, "x" * 300]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELD, inner, max_size=8),
    max_leaves=20,
)
ROLE = st.sampled_from(Role)


@settings(max_examples=300)
@given(st.binary() | st.text(), st.booleans(), ROLE)
def test_receiving_any_bytes_raises_no_error(frame: bytes | str, strict: bool, role: Role) -> None:  # noqa: FBT001  drawn
    ends_well(frame, strict=strict, role=role)


@settings(max_examples=300)
@given(st.lists(JSON, max_size=6) | JSON, st.booleans(), ROLE)
def test_receiving_any_json_raises_no_error(tree: Any, strict: bool, role: Role) -> None:  # noqa: FBT001  drawn
    ends_well(json.dumps(tree), strict=strict, role=role)


@settings(max_examples=500)
@given(st.sampled_from([2, 3, 4]), st.sampled_from(["1", 1, "x"]), ACTION, TREE, st.booleans(), ROLE)
def test_receiving_any_ocpp_message_raises_no_error(
    kind: int,
    id_: str | int,
    action: str,
    tree: Any,
    strict: bool,  # noqa: FBT001  drawn
    role: Role,
) -> None:
    frame = [kind, id_, tree] if kind == 3 else [kind, id_, action, tree]
    ends_well(json.dumps(frame), strict=strict, role=role)
    ends_well(json.dumps(frame, ensure_ascii=False).encode(errors="replace"), strict=strict, role=role)


@settings(max_examples=200)
@given(st.data(), st.booleans(), ROLE)
def test_receiving_a_message_with_flipped_bytes_raises_no_error(
    data: st.DataObject,
    strict: bool,  # noqa: FBT001  drawn
    role: Role,
) -> None:
    good = (
        b'[2,"a","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-31T12:00:00Z",'
        b'"sampledValue":[{"value":"1.5","unit":"Wh"}]}]}]'
    )
    frame = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    ends_well(bytes(frame), strict=strict, role=role)


HUGE = [
    b'[2,"a","UnlockConnector",{"connectorId":' + b"9" * 10_000 + b"}]",
    b'[2,"a","MeterValues",{"connectorId":1e999999999999999999999,"meterValue":[]}]',
    b'[2,"a","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":1e999999999,"sampledValue":{"value":1e-99999}}]}]',
    b'[2,"a","MeterValues",{"connectorId":0.' + b"0" * 10_000 + b',"meterValue":[]}]',
    b'[2,"a","RemoteStartTransaction",{"idTag":"x","chargingProfile":{"chargingProfileId":1e300,"limit":1e999}}]',
    b'[2,"a","MeterValues",{"connectorId":1,"connectorId":2,"meterValue":[]}]',
    b'[2,"a","MeterValues",' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"]",
    b'[2,"a","MeterValues",' + b'{"connectorId":1,"x":' + b"[" * 900 + b"]" * 900 + b',"meterValue":[]}]',
    b"[" + b"9" * 10_000 + b',"a"]',
    b"[2," + b"9" * 10_000 + b',"Heartbeat",{}]',
    b'[2,"' + b"a" * 60_000 + b'","Heartbeat",{}]',
    b'[2,"a","' + b"A" * 60_000 + b'",{}]',
    b'[2,"a","Heartbeat",{"' + b"A" * 60_000 + b'":1}]',
    b'[2,"a","MeterValues",{"connectorId":1,"meterValue":[' + b"{}," * 20_000 + b"{}]}]",
    b'[2,"a","Heartbeat",{' + b'"a":,' * 12_000 + b'"b":1}]',
    b'[2,"a","Heartbeat",{' + b'"' * 60_001,
]


def test_receiving_huge_and_hostile_frames_raises_no_error() -> None:
    for frame in HUGE:
        for role in Role:
            ends_well(frame, strict=False, role=role)
            ends_well(frame, strict=True, role=role)

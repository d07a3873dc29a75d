"""The slow reader of payloads that the fast decoder refused.

The reader compares a payload with its message type, field by field. If a field is wrong, the reader finds the
CALLERROR code, the path of the field and what would be right. With a RepairPolicy, the reader repairs a wrong
field instead of refusing the payload, if the policy allows that. Speed matters little here, because the fast
decoder reads every good message. The work must still be bounded by the size of the message.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple, Never

import msgspec
from msgspec import Struct, inspect

from gateway.ocpp16.errors import ErrorCode, PayloadInvalid, shorten
from gateway.ocpp16.faults import payload_json, reshaping, timestamps
from gateway.ocpp16.faults.repair_policy import RepairPolicy
from gateway.ocpp16.faults.reshaping import LARGEST
from gateway.ocpp16.faults.table import Repair
from gateway.ocpp16.messages.types import Message

_SENT_BYTES_MAX = 1_000


class AsSent(NamedTuple):
    """The parts of a repaired fact that the message does not show.

    `fields` is a JSON object of the fields that were repaired or not read, as the charge point sent them. A
    long value is cut. `payload` is the whole payload as sent, if a required field was not read. Otherwise
    `payload` is empty.
    """

    fields: bytes
    payload: bytes = b""


class Read(NamedTuple):
    """A payload that was read. `payload` is the JSON after the repairs.

    Only a fact that was repaired has `as_sent`.
    """

    message: Message
    payload: bytes
    repairs: tuple[Repair, ...]
    as_sent: AsSent | None = None


def read(message: type[Message], payload: bytes, policy: RepairPolicy | None) -> Read:
    """Read a payload as this type of message. Raises PayloadInvalid.

    `policy` None means that nothing is repaired and that formats are checked.
    """
    try:
        tree = payload_json.decode(payload)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise PayloadInvalid("FormationViolation", f"the payload is not JSON in UTF-8 ({error})") from None
    except RecursionError:
        text = "the payload is nested too deeply; 5 levels suffice for OCPP 1.6"
        raise PayloadInvalid("FormationViolation", text) from None
    reader = _PayloadReader(policy)
    if not isinstance(tree, dict):
        if policy is None or message not in policy.facts:
            raise PayloadInvalid("FormationViolation", f"the payload must be an object, not {_noun(tree)}")
        reader.sent["payload"] = tree
        reader.reshaped, tree = True, {}
    typed = reader.read_struct(_info(message), tree, "")
    as_sent = None
    if reader.sent or reader.stood_in:
        fields = payload_json.encode({name: _shorten(value) for name, value in reader.sent.items()})
        as_sent = AsSent(fields, payload if reader.stood_in else b"")
    repaired = payload_json.encode(tree) if reader.reshaped else payload
    return Read(typed, repaired, tuple(reader.repairs), as_sent)


def _shorten(value: Any) -> Any:
    """Return the value, or the beginning of its JSON as text if the JSON is long."""
    encoded = payload_json.encode(value)
    return value if len(encoded) <= _SENT_BYTES_MAX else encoded[:_SENT_BYTES_MAX].decode(errors="replace")


def not_one_of(value: str, allowed: tuple[str, ...], problem: str = "not allowed") -> str:
    """Return a text that names the problem, a similar value that may be meant, and the allowed values."""
    near = suggest(value, allowed)
    use = "Use" if near else "use"
    return f'"{shorten(value, 50)}" is {problem}; {near}{use} one of {", ".join(allowed)}'


def suggest(value: str, known: Iterable[str]) -> str:
    """Return a question that suggests a similar known word, or "" if no known word is similar.

    A known word is similar if it differs from `value` in few letters. It is also similar if it begins or ends
    with `value`, and `value` has at least four letters.
    """
    given = _fold(value[:50])
    spelt = {_fold(word): word for word in known}
    near = get_close_matches(given, spelt, 1, 0.8)
    if not near and len(given) > 3:
        near = [word for word in spelt if word.startswith(given) or word.endswith(given)]
    return f"did you mean {spelt[near[0]]}? " if near else ""


def _fold(word: str) -> str:
    return word.lower().replace("_", "")


@cache
def _info(message: type[Message]) -> inspect.StructType:
    info = inspect.type_info(message)
    assert isinstance(info, inspect.StructType)  # noqa: S101  true of every Message; mypy needs it
    return info


def _find_other_name(names: Mapping[str, str], value: str) -> str | None:
    """Return the right word for a wrong one, in any case and with blanks around."""
    folded = value.strip().casefold()
    return next((word for name, word in names.items() if name.casefold() == folded), None)


def _noun(value: Any) -> str:  # noqa: PLR0911  one return per JSON type
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case Decimal():
            return "a fraction"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


class _PayloadReader:
    def __init__(self, policy: RepairPolicy | None) -> None:
        self.policy = policy
        self.repairs: list[Repair] = []
        self.leaving_out = False  # True means that errors are discarded, so their texts need not be helpful.
        self.reshaped = False  # True means that the tree was changed and must be encoded again.
        self.sent: dict[str, Any] = {}
        self.stood_in = False

    def read_struct(self, info: inspect.StructType, tree: Any, path: str) -> Any:
        if not isinstance(tree, dict):
            self.refuse_type("an object", tree, path)
        self.check_properties(info, tree, path)
        fields: dict[str, Any] = {}
        for field in info.fields:
            name, repairs = field.encode_name, len(self.repairs)
            if name not in tree and not field.required:
                continue
            was_sent, sent = name in tree, tree.get(name)
            self.read_into(fields, info.cls, field, tree, f"{path}.{name}" if path else name)
            if was_sent and len(self.repairs) > repairs and self.keeps_sent(info.cls, field):
                self.sent[name] = sent
        if self.stood_in and self.policy is not None and info.cls in self.policy.facts:
            # The value of a required field may be under another name.
            known = {field.encode_name for field in info.fields}
            self.sent = {name: value for name, value in tree.items() if name not in known} | self.sent
        return info.cls(**fields)

    def keeps_sent(self, cls: type[Struct], field: inspect.Field) -> bool:
        """Return whether the field is kept as it was sent, beside the message that was read."""
        policy = self.policy
        return policy is not None and cls in policy.facts and (cls, field.name) not in policy.kept_whole

    def read_into(
        self,
        fields: dict[str, Any],
        cls: type[Struct],
        field: inspect.Field,
        tree: dict[str, Any],
        where: str,
    ) -> None:
        """Read a field. If it is unreadable, use its stand-in, drop it, or refuse the payload."""
        if tree.get(field.encode_name) is None and field.required:
            fields[field.name] = self.fill_absent(cls, field, tree, where)
            return
        try:
            fields[field.name] = self.read_field(cls, field, tree, where)
        except PayloadInvalid:
            if self.policy and (cls, field.name) in self.policy.stand_ins:
                fields[field.name] = self.policy.stand_ins[cls, field.name]
                self.repairs.append("fact_unreadable")
                self.stood_in = True
            elif self.policy and (cls, field.name) in self.policy.when_absent:
                value = self.policy.instead.get((cls, field.name), self.policy.when_absent[cls, field.name])
                fields[field.name] = tree[field.encode_name] = value
                self.repairs.append("unreadable_required")
                self.reshaped = True
            elif self.policy and not field.required and (cls, field.name) not in self.policy.never_dropped:
                self.repairs.append("unreadable_optional")
                self.stood_in = True
            else:
                raise

    def check_properties(self, info: inspect.StructType, tree: dict[str, Any], path: str) -> None:
        """Refuse or count unknown properties, and drop optional fields that are null."""
        fields = {field.encode_name: field for field in info.fields}
        for name, value in tuple(tree.items()):
            if name not in fields:
                if self.policy is None:
                    text = f"unknown property; this object may have {', '.join(fields) or 'none'}"
                    where = shorten(name, 50)
                    self.refuse("PropertyConstraintViolation", text, f"{path}.{where}" if path else where)
                self.repairs.append("extra_property")
            elif value is None and self.policy and not fields[name].required:
                self.repairs.append("null_for_absent")
                self.reshaped = True
                del tree[name]

    def fill_absent(self, cls: type[Struct], field: inspect.Field, tree: dict[str, Any], where: str) -> Any:
        """Use the policy's value for a required field that is absent or null, or refuse the payload."""
        if self.policy and (cls, field.name) in self.policy.stand_ins:
            self.repairs.append("required_absent")
            self.stood_in = True
            return self.policy.stand_ins[cls, field.name]
        if self.policy and (cls, field.name) in self.policy.when_absent:
            self.repairs.append("required_absent")
            self.reshaped = True
            tree[field.encode_name] = self.policy.when_absent[cls, field.name]
            return tree[field.encode_name]
        if field.encode_name in tree:
            return self.read_field(cls, field, tree, where)  # `read_field` refuses null as a wrong type.
        return self.refuse("OccurenceConstraintViolation", "required, but absent", where)

    def read_field(self, cls: type[Struct], field: inspect.Field, tree: dict[str, Any], where: str) -> Any:
        value = tree[field.encode_name]
        kind, extra = _unwrap(field.type)
        if self.policy:
            reshaped = self.reshape_field((cls, field.name), kind, value, self.policy)
            if reshaped is not value:
                tree[field.encode_name] = value = reshaped
                self.reshaped = True
            instead = self.policy.instead.get((cls, field.name))
            if (
                instead
                and isinstance(kind, inspect.LiteralType)
                and isinstance(value, str)
                and value not in kind.values
            ):
                self.repairs.append("unknown_enum")
                self.stood_in = True
                return instead
        return self.read_value(kind, extra, value, where)

    def reshape_field(
        self, field: tuple[type[Struct], str], kind: inspect.Type, value: Any, policy: RepairPolicy
    ) -> Any:
        """Apply the repair of the policy for this field, or else a general repair (`reshape`)."""
        match value:
            case dict() | list() | bool() if field in policy.any_json:
                self.repairs.append("json_for_text")
                return payload_json.encode(value).decode()
            case str() | Decimal() if field in policy.rounded:
                return self.round(value)
            case str() if (word := _find_other_name(policy.also_called.get(field, {}), value)) is not None:
                self.repairs.append("other_name")
                return word
            case _:
                return self.reshape(kind, value)

    def round(self, value: str | Decimal) -> int | str | Decimal:
        rounded, repairs = reshaping.round_quantity(value)
        self.repairs += repairs
        self.stood_in = self.stood_in or "fraction_rounded" in repairs
        return rounded

    def reshape(self, kind: inspect.Type, value: Any) -> Any:
        reshaped, repair = reshaping.reshape(kind, value)
        if repair is not None:
            self.repairs.append(repair)
        return reshaped

    def read_value(  # noqa: PLR0911  one return per kind of field
        self, kind: inspect.Type, extra: Mapping[str, Any], value: Any, where: str
    ) -> Any:
        match kind:
            case inspect.LiteralType():
                return self.read_literal(kind, value, where)
            case inspect.StrType():
                return self.read_text(kind, extra, value, where)
            case inspect.StructType():
                return self.read_struct(kind, value, where)
            case inspect.VarTupleType():
                return self.read_list(kind, value, where)
            case inspect.IntType():
                return self.read_integer(value, where)
            case inspect.FloatType():
                return self.read_number(extra, value, where)
            case inspect.BoolType():
                if not isinstance(value, bool):
                    self.refuse_type("a boolean", value, where)
            case _:
                raise TypeError(f"{where}: the reader does not know fields of the type {kind}")
        return value

    def read_list(self, kind: inspect.VarTupleType, value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self.refuse_type("a list", value, where)
        item, extra = _unwrap(kind.item_type)
        leaves_out = (
            self.policy is not None
            and isinstance(item, inspect.StructType)
            and item.cls in self.policy.left_out_of_lists
        )
        items = []
        before, self.leaving_out = self.leaving_out, self.leaving_out or leaves_out
        for index, entry in enumerate(value):
            reshaped = self.reshape(item, entry) if self.policy else entry
            if reshaped is not entry:
                value[index] = reshaped
                self.reshaped = True
            try:
                items.append(self.read_value(item, extra, reshaped, f"{where}[{index}]"))
            except PayloadInvalid:
                if not leaves_out:
                    raise
                self.repairs.append("item_left_out")
        self.leaving_out = before
        return tuple(items)

    def read_literal(self, kind: inspect.LiteralType, value: Any, where: str) -> Any:
        if not isinstance(value, str):
            self.refuse_type("text", value, where)
        if value not in kind.values:
            if self.leaving_out:
                self.refuse("PropertyConstraintViolation", "not allowed", where)
            allowed = tuple(str(one) for one in kind.values)
            self.refuse("PropertyConstraintViolation", not_one_of(value, allowed), where)
        return value

    def read_text(self, kind: inspect.StrType, extra: Mapping[str, Any], value: Any, where: str) -> str:
        if not isinstance(value, str):
            self.refuse_type("text", value, where)
        limit = kind.max_length
        if limit is not None and len(value) > limit:
            if self.policy is None or len(value) > limit + self.policy.characters_over:
                self.refuse(
                    "PropertyConstraintViolation",
                    f"has {len(value)} characters; at most {limit} are allowed",
                    where,
                )
            self.repairs.append("overlong_text")
        if self.policy is None and extra.get("format") == "date-time" and not timestamps.is_strict(value):
            self.refuse(
                "PropertyConstraintViolation",
                "must be an ISO 8601 date and time with zone, such as 2026-01-31T12:00:00Z",
                where,
            )
        return value

    def read_integer(self, value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse_type("an integer", value, where)
        if not -LARGEST <= value < LARGEST:
            self.refuse("TypeConstraintViolation", "out of range; must fit into 64 bits", where)
        return value

    def read_number(self, extra: Mapping[str, Any], value: Any, where: str) -> float:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            self.refuse_type("a number", value, where)
        if not -(10**15) < value < 10**15:  # Below 10^15, floats and Decimals are exact enough.
            self.refuse("TypeConstraintViolation", "out of range; must be between -10^15 and 10^15", where)
        if self.policy is None and "multipleOf" in extra and Decimal(value) * 10 % 1 != 0:
            self.refuse(
                "PropertyConstraintViolation", "has more than one decimal; at most one is allowed", where
            )
        return float(value)

    def refuse_type(self, due: str, value: Any, where: str) -> Never:
        self.refuse("TypeConstraintViolation", f"must be {due}, not {_noun(value)}", where)

    def refuse(self, code: ErrorCode, text: str, where: str) -> Never:
        raise PayloadInvalid(code, text, where)


def _unwrap(kind: inspect.Type) -> tuple[inspect.Type, Mapping[str, Any]]:
    if isinstance(kind, inspect.Metadata):
        return kind.type, kind.extra_json_schema or {}
    return kind, {}

"""The one place that knows key names.

Every key of a charge point carries the hash tag of its partition, so that one Lua step changes a fact, its
index and its event together. Names from outside are percent-encoded, and joined only encoded: no name can
reach another's key.
"""

from binascii import crc_hqx
from functools import partial
from urllib.parse import quote, unquote

from state.partition_tags import TAGS

PARTITIONS = len(TAGS)

META = "csms:meta"
NODES = "csms:nodes"
TENANTS = "csms:tenants"
API_KEYS = "csms:api-keys"


def encode(name: str) -> str:
    """Percent-encode all but unreserved characters: no `{`, `}`, `/`, `:` nor control character remains."""
    # Most ids are letters and digits, and quote() is dear on the hot path.
    return name if name.isascii() and name.isalnum() else quote(name, safe="")


def decode(encoded: str) -> str:
    return unquote(encoded, errors="strict")


def join(tenant: str, name: str) -> str:
    """`member`: how a charge point or tag of a tenant stands in an index, unambiguous whatever the names."""
    return f"{encode(tenant)}/{encode(name)}"


def split(member: str) -> tuple[str, str]:
    tenant, _, name = member.partition("/")
    return decode(tenant), decode(name)


def partition_of(tenant: str, charge_point: str) -> int:
    return crc_hqx(join(tenant, charge_point).encode(), 0) % PARTITIONS


class _SeldomKey:
    """A key that is spelled when it is needed, because a session keeps its other keys as long as it lives."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get__(self, keys: "ChargePointKeys", _owner: type) -> str:
        return keys.of(self.kind)


class ChargePointKeys:
    """All keys of one charge point. Those in the slots are spelled once and kept by its session."""

    __slots__ = (
        "buried",
        "charge_points",
        "connectors",
        "events",
        "history",
        "id",
        "lease",
        "member",
        "open",
        "open_transactions",
        "orphans",
        "overdue",
        "partition",
        "pending",
        "record",
        "starts",
        "tenant",
        "transactions",
    )

    certificates = _SeldomKey("certificates")
    charging_profile_doubts = _SeldomKey("charging-profile-doubts")
    charging_profile_promises = _SeldomKey("charging-profile-promises")
    """TxProfiles of remote starts that have not become transactions yet."""
    charging_profiles = _SeldomKey("charging-profiles")
    configuration = _SeldomKey("configuration")
    configuration_pending = _SeldomKey("configuration-pending")
    """Changes that count after the next boot."""
    data_transfers = _SeldomKey("data-transfers")
    faults = _SeldomKey("faults")
    jobs = _SeldomKey("jobs")
    local_list = _SeldomKey("local-list")
    """What its local authorisation list should be, and what it is as far as we know."""
    remote_starts = _SeldomKey("remote-starts")
    reservations = _SeldomKey("reservations")
    security_events = _SeldomKey("security-events")
    security_events_evicted = _SeldomKey("security-events-evicted")
    trace = _SeldomKey("trace")
    trace_frames = _SeldomKey("trace-frames")

    def __init__(self, tenant: str, charge_point: str) -> None:
        self.tenant = tenant
        self.id = charge_point
        self.member = join(tenant, charge_point)
        self.partition = partition_of(tenant, charge_point)
        tag, member, tenant_part = TAGS[self.partition], self.member, encode(tenant)
        # Of the charge point.
        self.record = f"{{{tag}}}:charge-point:{member}"
        self.lease = f"{{{tag}}}:lease:{member}"
        self.connectors = f"{{{tag}}}:connectors:{member}"
        self.open = f"{{{tag}}}:open:{member}"
        self.starts = f"{{{tag}}}:starts:{member}"
        self.history = f"{{{tag}}}:history:{member}"
        self.buried = f"{{{tag}}}:buried:{member}"
        self.orphans = f"{{{tag}}}:orphans:{member}"
        self.pending = f"{{{tag}}}:pending:{member}"
        # Of its partition, shared with its neighbours there.
        self.events = f"{{{tag}}}:events:{tenant_part}"
        self.charge_points = f"{{{tag}}}:charge-points:{tenant_part}"
        self.transactions = f"{{{tag}}}:transactions:{tenant_part}"
        self.open_transactions = f"{{{tag}}}:open-transactions:{tenant_part}"
        self.overdue = f"{{{tag}}}:overdue"

    @property
    def deleted_with_it(self) -> tuple[str, ...]:
        """What is simply gone when the charge point is deleted, every seldom key among it."""
        seldom = [key.kind for key in vars(ChargePointKeys).values() if isinstance(key, _SeldomKey)]
        return (self.connectors, self.open, self.starts, self.orphans, self.pending, *map(self.of, seldom))

    def of(self, kind: str) -> str:
        return f"{{{TAGS[self.partition]}}}:{kind}:{self.member}"

    def transaction(self, transaction_id: int | str) -> str:
        return f"{{{TAGS[self.partition]}}}:transaction:{self.member}/{encode(str(transaction_id))}"

    def values(self, transaction_id: int | str) -> str:
        """Meter values of a transaction that exists."""
        return f"{{{TAGS[self.partition]}}}:values:{self.member}/{encode(str(transaction_id))}"

    def stray_values(self, connector_id: int) -> str:
        """Meter values of no transaction, or of one that nobody knows."""
        return f"{{{TAGS[self.partition]}}}:stray-values:{self.member}/{connector_id}"

    def command(self, command_id: str) -> str:
        return command(command_id)

    def held(self, incarnation: str) -> str:
        return held(self.partition, incarnation)


def tag(partition: int) -> str:
    return f"{{{TAGS[partition]}}}"


def held(partition: int, incarnation: str) -> str:
    """Members whose lease this node incarnation holds, in this partition."""
    return f"{tag(partition)}:held:{incarnation}"


def overdue(partition: int) -> str:
    return f"{tag(partition)}:overdue"


def _of_partition(kind: str, partition: int, tenant: str) -> str:
    return f"{tag(partition)}:{kind}:{encode(tenant)}"


charge_points = partial(_of_partition, "charge-points")
events = partial(_of_partition, "events")
open_transactions = partial(_of_partition, "open-transactions")
transactions = partial(_of_partition, "transactions")


def command_partition(command_id: str) -> int:
    """The partition that a command id embeds: its first two hexadecimal digits. Raises ValueError."""
    return int(command_id[:2], 16)


def command(command_id: str) -> str:
    return f"{tag(command_partition(command_id))}:command:{encode(command_id)}"


def _of_tenant(kind: str, tenant: str) -> str:
    return f"csms:{kind}:{{{encode(tenant)}}}"


data_transfer_vendors = partial(_of_tenant, "data-transfer-vendors")
"""A tenant's vendors of DataTransfer, by folded vendor id."""
id_tags = partial(_of_tenant, "id-tags")
"""Index of a tenant's id tags, folded."""
token_ids = partial(_of_tenant, "token-ids")
"""Index of a tenant's tokens."""
tokens = partial(_of_tenant, "tokens")
"""A tenant, and its tokens by id."""
traces = partial(_of_tenant, "traces")
"""A tenant's charge points of which a trace runs, by when it ends."""


def _of_name(kind: str, tenant: str, folded: str) -> str:
    return f"csms:{kind}:{{{join(tenant, folded)}}}"


holds = partial(_of_name, "holds")
id_tag = partial(_of_name, "id-tag")
spellings = partial(_of_name, "spellings")
"""Ids that operators registered, by id without case."""


def node(incarnation: str) -> str:
    return f"csms:node:{{{incarnation}}}"


def inbox(incarnation: str) -> str:
    return f"csms:inbox:{{{incarnation}}}"

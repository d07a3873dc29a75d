"""The one place that knows key names.

Every key of a charge point carries the hash tag of its partition, so that one Lua step changes a fact, its
index and its event together. Names from outside are percent-encoded, and joined only encoded: no name can
reach another's key.
"""

from binascii import crc_hqx
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


class ChargePointKeys:
    """All keys of one charge point, spelled once and kept by its session."""

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

    # What a session needs seldom is spelled when it is needed: its keys are kept for every open connection.

    @property
    def remote_starts(self) -> str:
        return self._own("remote-starts")

    @property
    def reservations(self) -> str:
        return self._own("reservations")

    @property
    def charging_profiles(self) -> str:
        return self._own("charging-profiles")

    @property
    def charging_profile_doubts(self) -> str:
        return self._own("charging-profile-doubts")

    @property
    def charging_profile_promises(self) -> str:
        """TxProfiles of remote starts that have not become transactions yet."""
        return self._own("charging-profile-promises")

    @property
    def local_list(self) -> str:
        """What its local authorisation list should be, and what it is as far as we know."""
        return self._own("local-list")

    @property
    def configuration(self) -> str:
        return self._own("configuration")

    @property
    def configuration_pending(self) -> str:
        """Changes that count after the next boot."""
        return self._own("configuration-pending")

    @property
    def faults(self) -> str:
        return self._own("faults")

    @property
    def jobs(self) -> str:
        return self._own("jobs")

    @property
    def security_events(self) -> str:
        return self._own("security-events")

    @property
    def security_events_evicted(self) -> str:
        return self._own("security-events-evicted")

    @property
    def certificates(self) -> str:
        return self._own("certificates")

    @property
    def data_transfers(self) -> str:
        return self._own("data-transfers")

    @property
    def trace(self) -> str:
        return self._own("trace")

    @property
    def trace_frames(self) -> str:
        return self._own("trace-frames")

    @property
    def deleted_with_it(self) -> tuple[str, ...]:
        """What is simply gone when the charge point is deleted."""
        return (
            self.connectors,
            self.open,
            self.starts,
            self.orphans,
            self.pending,
            self.remote_starts,
            self.jobs,
            self.security_events,
            self.security_events_evicted,
            self.certificates,
            self.data_transfers,
            self.faults,
            self.reservations,
            self.charging_profiles,
            self.charging_profile_doubts,
            self.charging_profile_promises,
            self.local_list,
            self.configuration,
            self.configuration_pending,
            self.trace,
            self.trace_frames,
        )

    def _own(self, kind: str) -> str:
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


def events(partition: int, tenant: str) -> str:
    return f"{tag(partition)}:events:{encode(tenant)}"


def charge_points(partition: int, tenant: str) -> str:
    return f"{tag(partition)}:charge-points:{encode(tenant)}"


def transactions(partition: int, tenant: str) -> str:
    return f"{tag(partition)}:transactions:{encode(tenant)}"


def open_transactions(partition: int, tenant: str) -> str:
    return f"{tag(partition)}:open-transactions:{encode(tenant)}"


def command_partition(command_id: str) -> int:
    """The partition that a command id embeds: its first two hexadecimal digits. Raises ValueError."""
    return int(command_id[:2], 16)


def command(command_id: str) -> str:
    return f"{tag(command_partition(command_id))}:command:{encode(command_id)}"


def tokens(tenant: str) -> str:
    """A tenant, and its tokens by id."""
    return f"csms:tokens:{{{encode(tenant)}}}"


def token_ids(tenant: str) -> str:
    """Index of a tenant's tokens."""
    return f"csms:token-ids:{{{encode(tenant)}}}"


def id_tags(tenant: str) -> str:
    """Index of a tenant's id tags, folded."""
    return f"csms:id-tags:{{{encode(tenant)}}}"


def data_transfer_vendors(tenant: str) -> str:
    """A tenant's vendors of DataTransfer, by folded vendor id."""
    return f"csms:data-transfer-vendors:{{{encode(tenant)}}}"


def id_tag(tenant: str, folded: str) -> str:
    return f"csms:id-tag:{{{join(tenant, folded)}}}"


def holds(tenant: str, folded: str) -> str:
    return f"csms:holds:{{{join(tenant, folded)}}}"


def traces(tenant: str) -> str:
    """A tenant's charge points of which a trace runs, by when it ends."""
    return f"csms:traces:{{{encode(tenant)}}}"


def spellings(tenant: str, folded: str) -> str:
    """Ids that operators registered, by id without case."""
    return f"csms:spellings:{{{join(tenant, folded)}}}"


def node(incarnation: str) -> str:
    return f"csms:node:{{{incarnation}}}"


def inbox(incarnation: str) -> str:
    return f"csms:inbox:{{{incarnation}}}"

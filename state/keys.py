"""The names of all keys. No other module knows how a key is named.

Every key of a charge point carries the hash tag of its partition, so that one Lua step can change a record,
its index and its events together. Names from outside are percent-encoded before they are joined, so that two
different names never give the same key.
"""

import re
from binascii import crc_hqx
from functools import lru_cache, partial
from urllib.parse import quote, unquote

from state.partition_tags import TAGS

PARTITIONS = len(TAGS)

META = "csms:meta"
NODES = "csms:nodes"
LIVENESS = "csms:node"
"""Beginning of the keys `NODES` and `node`, which heartbeats change and which have their own connection."""
TENANTS = "csms:tenants"
API_KEYS = "csms:api-keys"
DENIED_CERTIFICATES = "csms:denied-certificates"
"""Client certificates that must not be used, by fingerprint or by issuer and serial number."""
SIGNING_QUEUE = "csms:signing-queue"
"""Charge points whose signing request needs work, each with the time at which it is due."""
CERTIFICATES_SWEPT = "csms:certificates-swept"
"""The time at which the certificates of each tenant were last examined for their expiry."""
ARCHIVE = "csms:archive"
"""Where the archive is, and up to which time all finished transactions are in it."""
BACKUP = "csms:backup"
"""By which id the backups of the store belong together, and when the last one succeeded."""
DISK = "csms:disk"
"""How full the disk of the embedded server is. Only the server's supervisor writes this."""
UNQUEUED = "csms:unqueued"
"""How far the search has come for finished transactions that older releases put into no queue."""
ENTERED = "csms:entered"
"""How far the search has come for transactions that older releases put into no order of completion."""
TROUBLES_EXAMINED = "csms:troubles-examined"
"""When the last complete examination of the troubles of each tenant began."""
REFUSALS = "csms:refusals"
"""Where older releases put refused handshakes that concern no registered charge point."""
_NOBODY = "{*}"
"""Stands for a tenant in a key of what concerns no tenant. No encoded name of a tenant has an asterisk."""


_is_plain = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch


def encode(name: str) -> str:
    """Percent-encode all but unreserved characters: no `{`, `}`, `/`, `:` or control character remains."""
    # quote() is slow, and most ids are letters, digits and hyphens.
    return name if (name.isascii() and name.isalnum()) or _is_plain(name) else quote(name, safe="")


def decode(encoded: str) -> str:
    return unquote(encoded, errors="strict")


def join(tenant: str, name: str) -> str:
    """Return the unambiguous name (`member`) of a tenant's charge point or id tag in an index."""
    return f"{encode(tenant)}/{encode(name)}"


def split(member: str) -> tuple[str, str]:
    tenant, _, name = member.partition("/")
    return decode(tenant), decode(name)


def partition_of(tenant: str, charge_point: str) -> int:
    return crc_hqx(join(tenant, charge_point).encode(), 0) % PARTITIONS


def member_of(key: str) -> str:
    """Return the charge point (`member`) to which a key belongs, or "" for all other keys."""
    tag, _, rest = key.partition("}:")
    tenant, slash, name = rest.partition(":")[2].partition("/")
    return f"{tenant}/{name.partition('/')[0]}" if tag.startswith("{") and slash else ""


class _SeldomKey:
    """A key that is seldom used and therefore built on each access.

    A session keeps all other keys as long as it lives.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get__(self, keys: "ChargePointKeys", _owner: type) -> str:
        return keys.of(self.kind)


@lru_cache(4_096)
def _shared(partition: int, tenant_part: str) -> tuple[str, ...]:
    """Return the keys of the partition that the charge points of a tenant keep. They share the strings."""
    head = tag(partition)
    return (
        f"{head}:events:{tenant_part}",
        f"{head}:charge-points:{tenant_part}",
        f"{head}:transactions:{tenant_part}",
        f"{head}:open-transactions:{tenant_part}",
        f"{head}:completed:{tenant_part}",
        f"{head}:overdue",
    )


class ChargePointKeys:
    """All keys of one charge point. The keys in `__slots__` are built once."""

    __slots__ = (
        "buried",
        "charge_points",
        "completed",
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
    """TxProfiles of remote starts whose transactions have not begun."""
    charging_profiles = _SeldomKey("charging-profiles")
    configuration = _SeldomKey("configuration")
    configuration_pending = _SeldomKey("configuration-pending")
    """Changes of configuration keys that take effect at the next boot."""
    data_transfers = _SeldomKey("data-transfers")
    faults = _SeldomKey("faults")
    jobs = _SeldomKey("jobs")
    local_list = _SeldomKey("local-list")
    """The local authorisation list that the charge point should have, and the list that we believe it has."""
    orphan_order = _SeldomKey("orphan-order")
    """Ids of the orphaned stops by their time of receipt."""
    remote_starts = _SeldomKey("remote-starts")
    refusals = _SeldomKey("refusals")
    """Handshakes of the charge point that were refused, by reason."""
    recent_commands = _SeldomKey("recent-commands")
    """Ids of the latest commands of the charge point, each after the time at which it was recorded."""
    reservations = _SeldomKey("reservations")
    security = _SeldomKey("security")
    """What the charge point must prove when it connects: profile, password and certificates."""
    security_events = _SeldomKey("security-events")
    security_events_evicted = _SeldomKey("security-events-evicted")
    stray_counts = _SeldomKey("stray-counts")
    """How many messages of stray meter values are kept, and how many were removed."""
    trace = _SeldomKey("trace")
    trace_frames = _SeldomKey("trace-frames")
    unreadable_fact_order = _SeldomKey("unreadable-fact-order")
    """Ids of the unreadable facts by the time at which each of them came last."""
    unreadable_facts = _SeldomKey("unreadable-facts")
    waiting_commands = _SeldomKey("waiting-commands")
    """Ids of the commands that wait until the charge point is online, the oldest first."""

    def __init__(self, tenant: str, charge_point: str) -> None:
        self.tenant = tenant
        self.id = charge_point
        self.member = join(tenant, charge_point)
        self.partition = crc_hqx(self.member.encode(), 0) % PARTITIONS
        tag, member = TAGS[self.partition], self.member
        # Keys that belong to this charge point alone.
        self.record = f"{{{tag}}}:charge-point:{member}"
        self.lease = f"{{{tag}}}:lease:{member}"
        self.connectors = f"{{{tag}}}:connectors:{member}"
        self.open = f"{{{tag}}}:open:{member}"
        self.starts = f"{{{tag}}}:starts:{member}"
        self.history = f"{{{tag}}}:history:{member}"
        self.buried = f"{{{tag}}}:buried:{member}"
        self.orphans = f"{{{tag}}}:orphans:{member}"
        self.pending = f"{{{tag}}}:pending:{member}"
        # Keys of the partition, which all its charge points share.
        (
            self.events,
            self.charge_points,
            self.transactions,
            self.open_transactions,
            self.completed,
            self.overdue,
        ) = _shared(self.partition, encode(tenant))

    @property
    def seen(self) -> str:
        return seen(self.partition)

    @property
    def waiting(self) -> str:
        return waiting(self.partition)

    @property
    def failed_starts(self) -> str:
        return failed_starts(self.partition, self.tenant)

    @property
    def deleted_with_it(self) -> tuple[str, ...]:
        """Keys that are deleted together with the charge point. Every `_SeldomKey` is one of these keys."""
        seldom = [key.kind for key in vars(ChargePointKeys).values() if isinstance(key, _SeldomKey)]
        return (self.connectors, self.open, self.starts, self.orphans, self.pending, *map(self.of, seldom))

    def of(self, kind: str) -> str:
        return f"{{{TAGS[self.partition]}}}:{kind}:{self.member}"

    def transaction(self, transaction_id: int | str) -> str:
        return f"{{{TAGS[self.partition]}}}:transaction:{self.member}/{encode(str(transaction_id))}"

    def of_transaction(self, transaction_id: int | str) -> tuple[str, ...]:
        """Return all keys that belong to one transaction alone. The first is the transaction itself."""
        tag, name = TAGS[self.partition], self.queued(transaction_id)
        return f"{{{tag}}}:transaction:{name}", f"{{{tag}}}:values:{name}", f"{{{tag}}}:packed:{name}"

    def queued(self, transaction_id: int | str) -> str:
        """Return the name of a finished transaction in the queues of its partition."""
        return f"{self.member}/{encode(str(transaction_id))}"

    def values(self, transaction_id: int | str) -> str:
        """Return the key of the meter values of a transaction that exists, one field for each message."""
        return f"{{{TAGS[self.partition]}}}:values:{self.member}/{encode(str(transaction_id))}"

    def packed(self, transaction_id: int | str) -> str:
        """Return the key of the meter values of a transaction that are packed in blocks."""
        return f"{{{TAGS[self.partition]}}}:packed:{self.member}/{encode(str(transaction_id))}"

    def stray_values(self, connector_id: int) -> str:
        """Return the key of meter values that came without a transaction, or with an unknown transaction."""
        return f"{{{TAGS[self.partition]}}}:stray-values:{self.member}/{connector_id}"

    def command(self, command_id: str) -> str:
        return command(command_id)

    def held(self, incarnation: str) -> str:
        return held(self.partition, incarnation)


class BatchKeys:
    """The keys of a batch of commands. All batches of a tenant are in one partition, with their events."""

    __slots__ = ("events", "index", "items", "member", "name", "record", "running")

    def __init__(self, tenant: str, id_: str) -> None:
        partition = batch_partition(tenant)
        self.member = join(tenant, "")
        """What the events of the batch belong to: no charge point."""
        self.name = join(tenant, id_)
        """Name of the batch among the running batches of its partition."""
        self.record = batch(tenant, id_)
        self.items = batch_items(tenant, id_)
        self.index = batches(partition, tenant)
        self.running = running_batches(partition)
        self.events = events(partition, tenant)


def batch_partition(tenant: str) -> int:
    return partition_of(tenant, "")


def batch(tenant: str, id_: str) -> str:
    return f"{tag(batch_partition(tenant))}:batch:{join(tenant, id_)}"


def batch_items(tenant: str, id_: str) -> str:
    """Return the key of the charge points of a batch, and what became of each of them, in blocks."""
    return f"{tag(batch_partition(tenant))}:batch-items:{join(tenant, id_)}"


def running_batches(partition: int) -> str:
    """Return the key of the names of all batches in this partition that have not ended."""
    return f"{tag(partition)}:running-batches"


def tag(partition: int) -> str:
    return f"{{{TAGS[partition]}}}"


def held(partition: int, incarnation: str) -> str:
    """Return the key of the set of all charge points in this partition whose leases this node holds."""
    return f"{tag(partition)}:held:{incarnation}"


def overdue(partition: int) -> str:
    return f"{tag(partition)}:overdue"


def waiting(partition: int) -> str:
    """Return the key of the commands that wait until their charge points are online, by deadline."""
    return f"{tag(partition)}:waiting"


def unpacked(partition: int) -> str:
    """Return the key of the queue of finished transactions whose meter values are not packed yet."""
    return f"{tag(partition)}:unpacked"


def unarchived(partition: int) -> str:
    """Return the key of the queue of packed transactions that are not in the archive as they are now."""
    return f"{tag(partition)}:unarchived"


def archived(partition: int) -> str:
    """Return the key of the queue of transactions that are in the archive and still in the store."""
    return f"{tag(partition)}:archived"


def seen(partition: int) -> str:
    """Return the key of the times at which the charge points of this partition were last seen."""
    return f"{tag(partition)}:seen"


def _of_partition(kind: str, partition: int, tenant: str) -> str:
    return f"{tag(partition)}:{kind}:{encode(tenant)}"


batches = partial(_of_partition, "batches")
"""Index of the batches of commands, by the time of their beginning."""
charge_points = partial(_of_partition, "charge-points")
completed = partial(_of_partition, "completed")
events = partial(_of_partition, "events")
failed_starts = partial(_of_partition, "failed-starts")
"""Transactions and commands with which a driver could not begin to charge, by their time."""
open_transactions = partial(_of_partition, "open-transactions")
transactions = partial(_of_partition, "transactions")
trouble_counts = partial(_of_partition, "trouble-counts")
"""What the last examination of the partition counted."""
troubles = partial(_of_partition, "troubles")
"""Index of the charge points in trouble, by the kind of the trouble."""


def transaction(tenant: str, charge_point: str, transaction_id: int) -> str:
    """Return the key of a transaction, without making all the other keys of its charge point."""
    member = join(tenant, charge_point)
    return f"{{{TAGS[crc_hqx(member.encode(), 0) % PARTITIONS]}}}:transaction:{member}/{transaction_id}"


def command_partition(command_id: str) -> int:
    """Return the partition, which is the first two hexadecimal digits of a command id. Raises ValueError."""
    return int(command_id[:2], 16)


def command(command_id: str) -> str:
    return f"{tag(command_partition(command_id))}:command:{encode(command_id)}"


def _of_tenant(kind: str, tenant: str) -> str:
    return f"csms:{kind}:{{{encode(tenant)}}}"


data_transfer_vendors = partial(_of_tenant, "data-transfer-vendors")
"""The DataTransfer vendors of a tenant, by folded vendor id."""
issued_certificates = partial(_of_tenant, "issued-certificates")
"""Index of the client certificates that csms issued for a tenant, by the time at which they expire."""
id_tags = partial(_of_tenant, "id-tags")
"""Index of a tenant's id tags, each with its case folded."""
token_ids = partial(_of_tenant, "token-ids")
"""Index of a tenant's tokens."""
tokens = partial(_of_tenant, "tokens")
"""The hash of a tenant, which also has the tenant's tokens by id."""
traces = partial(_of_tenant, "traces")
"""A tenant's charge points with a running trace, sorted by the time at which the trace ends."""


def _of_name(kind: str, tenant: str, folded: str) -> str:
    return f"csms:{kind}:{{{join(tenant, folded)}}}"


holds = partial(_of_name, "holds")
id_tag = partial(_of_name, "id-tag")
spellings = partial(_of_name, "spellings")
"""Charge point ids as operators registered them. The key has the id with its case folded."""


def refusal_records(tenant: str | None) -> str:
    """Return the key of the refused handshakes that named this tenant, or that named no known tenant."""
    return f"csms:refusal-records:{_owner(tenant)}"


def refusal_order(tenant: str | None) -> str:
    """Return the key of the names of these refused handshakes, sorted by their last times."""
    return f"csms:refusal-order:{_owner(tenant)}"


def _owner(tenant: str | None) -> str:
    return _NOBODY if tenant is None else f"{{{encode(tenant)}}}"


def node(incarnation: str) -> str:
    return f"csms:node:{{{incarnation}}}"


def inbox(incarnation: str) -> str:
    return f"csms:inbox:{{{incarnation}}}"


def duty(name: str) -> str:
    return f"csms:duty:{{{encode(name)}}}"

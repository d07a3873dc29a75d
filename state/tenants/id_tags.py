"""Id tags of a tenant. Id tags keep their spelling and are compared with ASCII case folded (CiString20)."""

from collections.abc import Callable
from typing import Literal

import msgspec

from state import guarded, keys
from state.paging import Page, list_members
from state.store import Store

Status = Literal["Accepted", "Blocked", "Expired", "Invalid"]


class IdTag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An id tag. `expiry_date` is in RFC 3339. `max_active_transactions` is None if the tag has no limit."""

    tag: str
    status: Status = "Accepted"
    expiry_date: str | None = None
    parent_id_tag: str | None = None
    max_active_transactions: int | None = None


_AT_ONCE = 500
_decode = msgspec.json.Decoder(IdTag).decode


def fold(tag: str) -> str:
    """Return the tag with A to Z in lower case.

    Other letters stay, because programs fold them differently.
    """
    return tag.lower() if tag.isascii() else tag.encode().lower().decode()


async def put(store: Store, tenant: str, tag: IdTag) -> bool:
    """Create or replace a tag. Returns True if the tag is new."""
    folded = fold(tag.tag)
    # The index is written first. Listings skip an indexed name that has no record, but they never find a
    # record whose name is not indexed.
    await store.execute("ZADD", keys.id_tags(tenant), 0, folded)
    before = await store.execute("SET", keys.id_tag(tenant, folded), msgspec.json.encode(tag), "GET")
    return before is None


async def change(store: Store, tenant: str, tag: str, decide: Callable[[IdTag], IdTag]) -> bool:
    """Replace a tag by the one that `decide` makes of it. Returns False if there is no such tag.

    `decide` may be called more than once.
    """
    key = keys.id_tag(tenant, fold(tag))

    async def attempt() -> guarded.Outcome:
        stored = await store.execute("GET", key)
        if stored is None:
            return "gone"
        after = msgspec.json.encode(decide(_decode(stored)))
        [word] = await store.step("tenants/id_tag_change", (key,), (stored, after))
        return "changed" if word == b"changed" else "again"

    return await guarded.until_unchanged(attempt)


async def get(store: Store, tenant: str, tag: str) -> IdTag | None:
    record = await store.execute("GET", keys.id_tag(tenant, fold(tag)))
    return None if record is None else _decode(record)


async def delete(
    store: Store, tenant: str, tag: str, check: Callable[[IdTag], None] = lambda _: None
) -> bool:
    """Delete a tag. The holds of the tag expire by themselves. Returns False if there is no such tag.

    `check` may raise an error if the tag must not be deleted as it is, and may be called more than once.
    """
    folded = fold(tag)
    key = keys.id_tag(tenant, folded)

    async def attempt() -> guarded.Outcome:
        stored = await store.execute("GET", key)
        if stored is None:
            return "gone"
        check(_decode(stored))
        [word] = await store.step("tenants/id_tag_delete", (key,), (stored,))
        return "changed" if word == b"changed" else "again"

    deleted = await guarded.until_unchanged(attempt)
    await store.execute("ZREM", keys.id_tags(tenant), folded)
    return deleted


async def delete_all(store: Store, tenant: str) -> None:
    """Delete every tag of the tenant. After an interruption, the next call deletes the rest."""
    index = keys.id_tags(tenant)
    while found := await store.execute("ZRANGE", index, 0, _AT_ONCE - 1):
        await store.pipeline([("UNLINK", keys.id_tag(tenant, tag.decode())) for tag in found])
        await store.execute("ZREM", index, *found)


async def list_(store: Store, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[IdTag]:
    """List tags by folded spelling. A page may have fewer than `limit` tags although another page follows.

    Raises BadCursor.
    """
    page = await list_members(store, [keys.id_tags(tenant)], limit=limit, cursor=cursor)
    replies = await store.pipeline([("GET", keys.id_tag(tenant, folded.decode())) for folded in page.items])
    return Page(tuple(_decode(record) for record in replies if record is not None), page.next)

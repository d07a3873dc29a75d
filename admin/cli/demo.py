"""The demo data of `csms up`: a tenant, a token, id tags, an API key. The next start uses the same data."""

from pathlib import Path

import msgspec

from admin.cli.data_dir import DEMO_TENANT, write_secret
from state.errors import StoreRefused
from state.store import Store
from state.tenants import api_keys, id_tags, tenants, tokens
from state.tenants import pepper as peppers

ID_TAGS = (
    id_tags.IdTag(tag="DEMO"),
    id_tags.IdTag(tag="DEMO-ONE-AT-A-TIME", max_active_transactions=1),
    id_tags.IdTag(tag="DEMO-BLOCKED", status="Blocked"),
    id_tags.IdTag(tag="DEMO-EXPIRED", expiry_date="2020-01-01T00:00:00Z"),
)


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of the demo, and the files (mode 0600) from which the next start reads them."""

    tenant: str
    token: str
    token_file: Path
    api_key: str
    api_key_file: Path


async def require_consent(store: Store, pepper: bytes, data_dir: Path) -> None:
    """Refuse to make demo data in a store that has other data, unless all demo data is there already.

    Raises StoreRefused, StoreUnavailable.
    """
    await peppers.check(store, pepper)
    if not await api_keys.list_(store) and not (await tenants.list_(store, limit=1)).items:
        return
    if missing := await _find_missing(store, pepper, data_dir):
        raise StoreRefused(
            f"the store is not empty, and csms up would make in it: {', '.join(missing)}. If you want that,"
            " give --demo-data; if you do not, start csms gateway and csms admin instead"
        )


async def _find_missing(store: Store, pepper: bytes, data_dir: Path) -> list[str]:
    """Describe what `ensure_demo` would make."""
    missing = [
        f"the id tag {tag.tag}" for tag in ID_TAGS if await id_tags.get(store, DEMO_TENANT, tag.tag) is None
    ]
    if await tenants.get(store, DEMO_TENANT) is None:
        missing.insert(0, f"the tenant {DEMO_TENANT}, which registers every charge point")
    if not await _has_token(store, pepper, _read_kept(data_dir / "demo-token")):
        missing.append(f"a token of the tenant {DEMO_TENANT}")
    if not await _has_api_key(store, pepper, _read_kept(data_dir / "api-key")):
        missing.append("an API key for all tenants")
    return missing


async def ensure_demo(store: Store, pepper: bytes, data_dir: Path) -> Demo:
    """Make the demo data that is missing.

    If the store does not accept the credentials in the files, new credentials replace them. This happens, for
    instance, if the last start used another store. Raises DataDirUnusable, StoreRefused, StoreUnavailable.
    """
    await peppers.check(store, pepper)
    if await tenants.get(store, DEMO_TENANT) is None:
        await tenants.put(store, DEMO_TENANT, name="Demo", auto_register=True)
    for tag in ID_TAGS:
        if await id_tags.get(store, DEMO_TENANT, tag.tag) is None:
            await id_tags.put(store, DEMO_TENANT, tag)
    token_file, key_file = data_dir / "demo-token", data_dir / "api-key"
    token = _read_kept(token_file)
    if not await _has_token(store, pepper, token):
        token = (await tokens.create(store, pepper, DEMO_TENANT, "csms up")).secret
        write_secret(token_file, token)
    api_key = _read_kept(key_file)
    if not await _has_api_key(store, pepper, api_key):
        api_key = (await api_keys.create(store, pepper, "csms up", None)).secret
        write_secret(key_file, api_key)
    return Demo(
        tenant=DEMO_TENANT, token=token, token_file=token_file, api_key=api_key, api_key_file=key_file
    )


async def _has_token(store: Store, pepper: bytes, token: str) -> bool:
    return bool(token) and (await tokens.look_up(store, pepper, DEMO_TENANT, token)).token is not None


async def _has_api_key(store: Store, pepper: bytes, api_key: str) -> bool:
    return await api_keys.verify(store, pepper, api_key) is not None


def _read_kept(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""

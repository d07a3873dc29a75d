"""The demo data of `csms up`: a tenant, a token, id tags, an API key. The next start uses the same data."""

from pathlib import Path

import msgspec

from admin.cli.data_dir import write_secret
from state.store import Store
from state.tenants import api_keys, id_tags, tenants, tokens

TENANT = "demo"
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


async def ensure_demo(store: Store, pepper: bytes, data_dir: Path) -> Demo:
    """Make the demo data that is missing.

    If the store does not accept the credentials in the files, new credentials replace them. This happens, for
    instance, if the last start used another store. Raises DataDirUnusable, StoreUnavailable.
    """
    if await tenants.get(store, TENANT) is None:
        await tenants.put(store, TENANT, name="Demo", auto_register=True)
    for tag in ID_TAGS:
        if await id_tags.get(store, TENANT, tag.tag) is None:
            await id_tags.put(store, TENANT, tag)
    token_file, key_file = data_dir / "demo-token", data_dir / "api-key"
    token = _read_kept(token_file)
    if not token or (await tokens.look_up(store, pepper, TENANT, token)).token is None:
        token = (await tokens.create(store, pepper, TENANT, "csms up")).secret
        write_secret(token_file, token)
    api_key = _read_kept(key_file)
    if not api_key or await api_keys.verify(store, pepper, api_key) is None:
        api_key = (await api_keys.create(store, pepper, "csms up", None)).secret
        write_secret(key_file, api_key)
    return Demo(tenant=TENANT, token=token, token_file=token_file, api_key=api_key, api_key_file=key_file)


def _read_kept(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""

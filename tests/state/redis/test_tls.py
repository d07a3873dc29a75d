"""rediss:// against a proxy with TLS in front of a real Valkey, which is built without TLS.

These tests cover state/redis/transport.py.
"""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from state.errors import StoreUnavailable
from state.store import StoreConfig, open_store
from tests.support.fault_proxy import fault_proxy
from tests.support.valkey_server import ValkeyServer


async def test_a_store_url_with_the_scheme_rediss_makes_csms_use_tls_and_verify_the_server_certificate(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    for name, ca in (("ca", authority), ("stranger", stranger)):
        ca.cert_pem.write_to_path(str(tmp_path / name))
    with trio.fail_after(60):
        async with fault_proxy(valkey.path, context) as proxy:
            url = f"rediss://localhost:{proxy.port}/0?ssl_ca_certs={tmp_path}/"
            async with open_store(StoreConfig(url=url + "ca")) as store:
                value = b"v" * 1_000_000
                await store.execute("SET", "k", value)
                assert await store.execute("GET", "k") == value
                proxy.cut()
                while store.available:
                    await store.wait_changed()
                await store.wait_available()
                assert await store.execute("GET", "k") == value
            with pytest.raises(StoreUnavailable, match=r"localhost:\d+/0 cannot be reached"):
                async with open_store(StoreConfig(url=url + "stranger"), wait_s=1):
                    pass

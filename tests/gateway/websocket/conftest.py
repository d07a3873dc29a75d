"""Certificates of the server."""

from pathlib import Path

import pytest
import trustme

from tests.gateway.websocket.tls_peers import CA


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("certificates")
    CA.cert_pem.write_to_path(folder / "ca.pem")
    pairs = []
    for kind in (trustme.KeyType.ECDSA, trustme.KeyType.RSA):
        issued = CA.issue_cert("cs.example", "*.wild.example", common_name="cs.example", key_type=kind)
        chain, key = folder / f"{kind.name}.pem", folder / f"{kind.name}.key"
        chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        pairs.append((chain, key))
    return pairs

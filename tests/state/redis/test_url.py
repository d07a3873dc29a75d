import pytest

from state.errors import StoreRefused
from state.redis.url import Address, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address()),
        ("redis://h:7000/3", Address(host="h", port=7000, db=3)),
        ("redis://:p%40ss@[::1]:1", Address(host="::1", port=1, password="p@ss")),
        ("rediss://u:p@h", Address(host="h", tls=True, username="u", password="p")),
        ("rediss://h?ssl_cert_reqs=none", Address(host="h", tls=True, verify=False)),
        ("unix:///run/a%20b.sock?db=2", Address(path="/run/a b.sock", db=2)),
    ],
)
def test_the_parser_of_store_urls_returns_the_address_of_the_store(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://s3cret@h", "must begin with redis://, rediss:// or unix://"),
        ("s3cret", "must begin with redis://, rediss:// or unix://"),
        ("redis+sentinel://s3cret@h/x", "not supported yet"),
        ("redis://:s3cret@h:70000", "Port out of range"),
        ("redis://:s3cret@h/one", "is not a database; it must be a number"),
        ("redis://:s3cret@h?db=x", "Invalid value for 'db'"),
        ("redis://:s3cret@h?retries=3", "unknown option 'retries'"),
        ("redis://:s3cret@h?ssl_cert_reqs=none", "must begin with rediss://"),
        ("rediss://:s3cret@h?ssl_cert_reqs=maybe", "it must be required or none"),
        ("rediss://:s3cret@h?ssl_ca_certs=/no/such", "ssl_ca_certs in the store's URL names a missing file"),
        ("unix://", "must name a socket"),
    ],
)
def test_the_error_for_a_wrong_store_url_does_not_show_the_password(url: str, says: str) -> None:
    with pytest.raises(StoreRefused, match=says.replace("+", r"\+")) as caught:
        parse(url)
    assert "s3cret" not in str(caught.value)


def test_the_address_of_a_store_never_shows_its_password() -> None:
    address = parse("rediss://user:s3cret@h:1/2")
    assert f"{address} {address!r}" == "rediss://h:1/2 rediss://h:1/2"

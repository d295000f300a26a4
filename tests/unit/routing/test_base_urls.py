import pytest

from routing.base_urls import RefusedAddress, check_base_url, check_host, is_public, parse_networks

LOOPBACK = parse_networks(["127.0.0.0/8", "::1/128"])


def resolving_to(*addresses: str):  # type: ignore[no-untyped-def]
    return lambda host, port: addresses


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
        "",
    ],
)
def test_addresses_that_are_not_of_the_public_internet_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "104.18.7.192", "172.15.255.255", "2606:4700::1111"])
def test_ordinary_public_addresses_are_accepted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/v1",
        "file:///etc/passwd",
        "gopher://example.org:6379/_",
        "//example.org/v1",
        "example.org/v1",
        "https://",
        "https:///v1",
        "https://user@example.org/v1",
        "https://user:pass@example.org/v1",
        "https://example.org@127.0.0.1/v1",
        "https://example.org#@127.0.0.1/",
        "https://example.org/v1?api_base=x",
        "https://example.org:0/v1",
        "https://example.org:65536/v1",
        "https://example.org:port/v1",
        "https://exa mple.org/v1",
        "https://example.org\\@127.0.0.1/v1",
        "https://example.org/v1\r\nhost: evil",
        "https://exämple.org/v1",
        "https://[::1/v1",
        "",
    ],
)
def test_urls_that_are_not_plain_are_refused(url: str) -> None:
    with pytest.raises(RefusedAddress):
        check_base_url(url, LOOPBACK, resolving_to("1.1.1.1"))


def test_a_public_https_url_is_accepted_on_any_port() -> None:
    assert check_base_url("https://example.org/v1", (), resolving_to("1.1.1.1")) == ("1.1.1.1",)
    assert check_base_url("https://example.org:8443/v1", (), resolving_to("1.1.1.1")) == ("1.1.1.1",)


def test_http_is_accepted_only_within_an_allowed_network() -> None:
    assert check_base_url("http://localhost:8080/v1", LOOPBACK, resolving_to("127.0.0.1", "::1"))
    with pytest.raises(RefusedAddress, match="https"):
        check_base_url("http://example.org/v1", LOOPBACK, resolving_to("1.1.1.1"))


def test_one_bad_address_among_several_refuses_the_name() -> None:
    with pytest.raises(RefusedAddress):
        check_base_url("https://example.org/v1", (), resolving_to("1.1.1.1", "10.0.0.1"))


def test_allowed_networks_are_meant_literally() -> None:
    with pytest.raises(RefusedAddress):
        check_base_url("https://example.org/v1", LOOPBACK, resolving_to("::ffff:127.0.0.1"))
    mapped = parse_networks(["::ffff:127.0.0.0/104"])
    assert check_base_url("https://example.org/v1", mapped, resolving_to("::ffff:127.0.0.1"))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "localhost.", "[::1]"],
)
def test_every_spelling_of_loopback_is_refused_by_what_it_resolves_to(host: str) -> None:
    with pytest.raises(RefusedAddress):
        check_base_url(f"https://{host}/v1", ())


def test_a_name_without_an_address_is_refused() -> None:
    def failing(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(RefusedAddress, match="no address"):
        check_host("nowhere.invalid", 443, (), failing)
    with pytest.raises(RefusedAddress, match="no address"):
        check_host("nowhere.invalid", 443, (), resolving_to())

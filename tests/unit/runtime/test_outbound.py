"""Which addresses may be called, checked without a network."""

from ipaddress import ip_address

import pytest

from runtime.outbound import OutboundRefusedError, check_url, may_call

REFUSED = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
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
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)
CALLED = ("1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8")
LOOPBACK = ("127.0.0.1", "127.255.255.254", "::1")


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not may_call(ip_address(address), allow_loopback=False)
    assert may_call(ip_address(address), allow_loopback=True) is (address in LOOPBACK)


@pytest.mark.parametrize("address", CALLED)
def test_public_addresses_are_called(address: str) -> None:
    assert may_call(ip_address(address), allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://calendar.example/slots?tenant=7",
        "https://calendar.example:8443/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "https://calendar.example./",
        "https://kalender-m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example/",
    ],
)
def test_public_urls_pass(url: str) -> None:
    check_url(url, allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://calendar.example/",
        "http://localhost/",
        "ftp://calendar.example/",
        "file:///etc/passwd",
        "calendar.example",
        "https://",
        "https:///path",
        "https://user:secret@calendar.example/",
        "https://user@calendar.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://[2001:0:a00:1::]/",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.0x1/",
        "https://0/",
        "https://localhost/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://db.localhost/",
        "https://\N{FULLWIDTH DIGIT ONE}27.0.0.1/",
        "https://127\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}1/",
        "https://calendar.example@10.0.0.1/",
        "https://10.0.0.1#@calendar.example/",
        "https://calendar.example:port/",
        "https://calendar.example:99999/",
        "https://xn--/",
        "https://[::1",
        "https://a\nb/",
        "https://exa mple.com/",
        "https://exa%20mple.com/",
        "https://exa<mple.com/",
        "https://-a.example/",
        "https://a..example/",
        f"https://{'a' * 64}.example/",
        "https://calendar.example/#part",
        "https://calendar.example/#",
        "https://calendar.example/" + "\u00fc" * 400,
    ],
)
def test_urls_that_could_lead_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(OutboundRefusedError) as refusal:
        check_url(url, allow_loopback=False)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://m\u00fcller.example/", "https://xn--mller-kva.example/"),
        ("https://\u4f8b\u3048.\u30c6\u30b9\u30c8/", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://Calendar.EXAMPLE:443/A", "https://calendar.example/A"),
        ("https://calendar.example/\u00fc b?q=\u00fc", "https://calendar.example/%C3%BC%20b?q=%C3%BC"),
        ("https://my_host.calendar.example", "https://my_host.calendar.example"),
        ("https://[2606:4700:4700::1111]:8443/a", "https://[2606:4700:4700::1111]:8443/a"),
    ],
)
def test_a_url_is_kept_as_it_is_called(url: str, kept: str) -> None:
    assert check_url(url, allow_loopback=False) == kept


def test_plain_http_is_for_the_loopback_alone_and_only_where_it_is_allowed() -> None:
    for url in ("http://127.0.0.1:8090/", "http://localhost:8090/", "http://[::1]/", "https://127.0.0.1/"):
        check_url(url, allow_loopback=True)
    for url in ("http://calendar.example/", "http://10.0.0.1/", "http://localhost.example/"):
        with pytest.raises(OutboundRefusedError):
            check_url(url, allow_loopback=True)

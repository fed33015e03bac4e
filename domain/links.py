"""Removal of links from names that people typed, before they go into messages to others.

Mail programs link schemes, addresses, and words with a dot whose last part is a top-level domain
(https://www.iana.org/domains/root/db). Other words with dots are no links: `J.R.R. Tolkien`, `St.John Rivers`.
"""

import re
import unicodedata
from typing import Final

LONGEST_NAME: Final = 80

_DOTS: Final = str.maketrans("\u3002\uff0e\uff61\u2024\ufe52", ".....")
"""Characters that browsers read as the dot of a host name (RFC 3490, section 3.1), and lookalikes."""
_SCHEME: Final = re.compile(r"\w+:/|\b(?:https?|ftp|mailto|tel|sms|file|data|javascript):\S|\\\\", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"[^\s@]@[^\s@]|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|\[[0-9a-f:]*:[0-9a-f:]+\]", re.IGNORECASE
)
_HOST: Final = re.compile(r"(?:[\w-]+\.)+[\w-]{2,}")
_ENDS_OF_FIRMS: Final = frozenset({"co.kg", "co.kgaa", "co.ohg"})
"""As in `GmbH & Co.KG`. `co.kg` only has names registered below it, and is no site itself."""
_COUNTRY_CODE: Final = 2
"""Number of letters; every two-letter top-level domain is a country's (RFC 1591)."""
_LATIN: Final = """
com net org edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post xxx arpa
example test local localhost invalid onion app dev page web site website online store shop shopping buy sale
deals promo win winner bid bet casino poker game games play fun lol xyz top icu club vip live life world today
news press media blog wiki link click download email mail chat social network systems tech technology digital
cloud host hosting server space zone domains software computer ai agency group team company business services
service support help center solutions expert consulting ltd llc inc gmbh bank finance financial money cash
credit loan loans insurance investments capital fund trade trading market markets exchange crypto tax legal law
lawyer attorney accountant health healthcare doctor dental clinic care hospital pharmacy fitness yoga beauty
hair salon spa fashion style boutique jewelry gift gifts flowers cards photos photo photography pics pictures
gallery art design graphics studio video film movie music audio radio tv show events party wedding dating love
sexy porn sex adult cam webcam restaurant cafe bar pub beer wine vodka pizza coffee food recipes cooking
catering kitchen garden farm house homes apartments property properties realestate estate rent rentals land
build builders construction contractors plumbing repair cleaning tools hardware auto cars car bike taxi limo
parts tires flights holiday vacations tours cruises hotel hotels camp school academy university college
education training courses study science engineering energy solar green eco earth city town country
international global direct directory guide guru tips report review reviews reise rocks ninja cool zip mov foo
bond cyou sbs quest skin makeup monster lat cfd rest bio kim men stream racing date faith accountants cricket
gdn rip run best buzz fit fan fans family foundation charity church community dog pet horse kids baby toys
football golf hockey ski soccer surf tennis tattoo berlin hamburg koeln cologne bayern ruhr wien tirol swiss
paris london nyc miami vegas boston tokyo osaka kyoto nagoya okinawa yokohama moscow istanbul madrid barcelona
eus gal quebec wales scot irish africa arab cern google apple amazon microsoft youtube gmail bmw audi
"""
_OTHERS: Final = """
рф рус укр бел срб мкд ею бг онлайн сайт москва дети орг ком 中国 中國 台湾 台灣 香港 公司
网络 網絡 在线 网址 网站 中文网 商城 商标 我爱你 みんな コム ストア ショップ ファッション 한국 닷컴 भारत
السعودية امارات مصر شبكة موقع بازار ελ ευ
"""  # noqa: RUF001 - these are the domains
_GENERIC: Final = frozenset(f"{_LATIN} {_OTHERS}".split())
"""Domains in wide use, in abuse, or reserved (RFC 2606); new ones appear every year."""


def without_links(name: str) -> str:
    """The name without links: empty if it contains one, and shortened to `LONGEST_NAME`.

    The booker enters a name and an address, and neither need be theirs: otherwise our mail would carry anybody's
    text to anybody. Names that look like a domain only because of a dot get a space: `Anna.Li` becomes `Anna. Li`.
    """
    read = _as_programs_read(name)
    if _SCHEME.search(read) or _ADDRESS.search(read):
        return ""
    for found in _HOST.finditer(read):
        host = found[0]
        if not _is_host(host.lower()):
            continue
        if host not in name or not all(part.istitle() for part in host.split(".")):
            return ""
        name = name.replace(host, host.replace(".", ". "))
    return _shortened(name)


def _as_programs_read(name: str) -> str:
    """The name without invisible characters, and with letters and dots in their plain form."""
    seen = "".join(sign for sign in name if unicodedata.category(sign) not in ("Cc", "Cf"))
    return unicodedata.normalize("NFKC", seen.translate(_DOTS)).translate(_DOTS)


def _is_host(dotted: str) -> bool:
    _, *inner, last = dotted.split(".")
    if dotted in _ENDS_OF_FIRMS:
        return False
    is_countrys = len(last) == _COUNTRY_CODE and last.isascii() and last.isalpha()
    return is_countrys or last.startswith("xn--") or not _GENERIC.isdisjoint([*inner, last])


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1].rstrip()}…"

"""Addresses on the network: e-mail as it is written and spoken, IPv4 and IPv6, URLs that hold a secret."""

from __future__ import annotations

import ipaddress
import re

EMAIL, IP, URL = "[email]", "[ip address]", "[url]"
_WRITTEN = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_DOT = r"(?:dot|point|punkt|punto|ponto|kropka|nokta|\.)"
_AT = r"(?:at|\u00e4t|arobase|arroba|chiocciola|apenstaartje|ma\u0142pa|\[at\]|\(at\)|\{at\}|@)"
_JOIN = (
    rf"(?:{_DOT}|underscore|unterstrich|tiret bas|gui\u00f3n bajo|trattino basso|dash|hyphen|minus|bindestrich|tiret|"
    r"gui\u00f3n|[._-])"
)
_TLD = (
    r"(?:com|org|net|edu|gov|info|biz|io|ai|app|dev|co|me|tv|uk|de|fr|es|it|nl|pl|pt|br|tr|at|ch|be|eu|us|ca|in|mx|ar|cl|"
    r"se|no|dk|fi|ie|au|nz|jp|cn|ru|ua|cz|ro|hu|gr)"
)
_SPOKEN = re.compile(
    rf"(?<!\w)\w{{1,40}}(?:\s*{_JOIN}\s*\w{{1,40}}){{0,5}}\s*(?<![\w]){_AT}(?!\w)\s*\w[\w-]{{0,40}}"
    rf"(?:\s*{_DOT}\s*[\w-]{{1,40}}){{0,3}}\s*{_DOT}\s*{_TLD}(?!\w)",
    re.IGNORECASE,
)
_DOMAIN = re.compile(rf"{_DOT}\s*{_TLD}(?!\w)", re.IGNORECASE)  # few turns have one, and this is quick to see
_IPV4 = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])")
_SECRET_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://(?:[^\s/@]{1,200}@\S+|\S+[?&](?:access_?token|token|api_?key|key|password|pwd|secret|sig|"
    r"signature|auth|session|code)=\S+)",
    re.IGNORECASE,
)


def redact_addresses(text: str) -> str:
    """The text with addresses of computers, and URLs that hold a secret, replaced."""
    if "://" in text:
        text = _SECRET_URL.sub(URL, text)
    if "." in text:
        text = _IPV4.sub(IP, text)
    return _IPV6.sub(_ipv6, text) if ":" in text else text


def redact_emails(text: str) -> str:
    """The text with e-mail addresses replaced, written or spoken."""
    if "@" in text:
        text = _WRITTEN.sub(EMAIL, text)
    return _SPOKEN.sub(EMAIL, text) if _DOMAIN.search(text) else text


def _ipv6(match: re.Match[str]) -> str:
    found = match[0]
    if not re.search(r"[0-9A-Fa-f]", found) or ("::" not in found and found.count(":") < 7):  # a time of day
        return found
    try:
        ipaddress.IPv6Address(found)
    except ValueError:
        return found
    return IP

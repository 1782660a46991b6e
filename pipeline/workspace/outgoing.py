"""Calls to addresses that users gave us: one client for all, bounded in time and bytes, many receivers at once.

A receiver can be slow, endless, broken or hostile; it costs its own messages only. Redirects are not followed, proxies
of the environment are not used, and the address that was checked is the one that is called.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from pipeline.errors import UserError

TOTAL_SECONDS = 15.0
"""Of one call: name, connection, request and the head of the answer."""
_RECEIVERS_AT_ONCE = 32
_GATEWAYS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
"""IPv6 networks with an IPv4 address inside, which may be a private one (NAT64, 6to4)."""


@dataclass(frozen=True)
class Message:
    """One POST.

    Attributes:
        receiver: messages of one receiver go one after the other, and stop at the first that fails.
    """

    message_id: str
    receiver: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        status: what the receiver answered; None when it did not.
        problem: why it counts as not delivered; None when it was.
    """

    status: int | None
    problem: str | None


def send_all(
    messages: Iterable[Message], allowed_hosts: Iterable[str], *, seconds: float = TOTAL_SECONDS
) -> dict[str, Outcome]:
    """Send messages, those of different receivers at the same time. Never raises for what a receiver does.

    Args:
        messages: to send.
        allowed_hosts: hosts in private networks that may be called.
        seconds: each call ends after this time, whatever the receiver does.

    Returns:
        The outcome by message; those behind one that failed at the same receiver were not sent and have none.
    """
    queues: dict[str, list[Message]] = {}
    for message in messages:
        queues.setdefault(message.receiver, []).append(message)
    return asyncio.run(_send_queues(list(queues.values()), frozenset(allowed_hosts), seconds))


def check_url(url: str, allowed_hosts: Iterable[str]) -> list[str]:
    """The addresses that a URL leads to, which may take as long as the resolver does.

    Raises:
        UserError: it is no http(s) URL, does not resolve, or leads into a private network that is not allowed.
    """
    host, port = _host_and_port(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UserError(f"The webhook's host {host} does not resolve.") from None
    addresses = [str(address[0]) for *_, address in found]
    if host not in allowed_hosts and not all(map(_is_public, addresses)):
        raise UserError(f"The webhook's host {host} is in a private network; add it to serve.webhook_hosts.")
    return addresses


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        httpx2.URL(url)
        plain = url.isprintable() and not any(map(str.isspace, url))
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except (ValueError, httpx2.InvalidURL):
        plain, host, port = False, None, 0
    if host is None or not plain or parts.scheme not in ("http", "https") or parts.username or parts.fragment:
        raise UserError(
            "The webhook's URL must be http(s)://host/path, without a user name, fragment, space or control character."
        )
    return host, port


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    gateways = any(address in network for network in _GATEWAYS if network.version == address.version)
    return address.is_global and not address.is_multicast and not gateways


async def _send_queues(queues: list[list[Message]], allowed: frozenset[str], seconds: float) -> dict[str, Outcome]:
    places = asyncio.Semaphore(_RECEIVERS_AT_ONCE)
    outcomes: dict[str, Outcome] = {}

    async def send_queue(queue: list[Message]) -> None:
        async with places:
            for message in queue:
                outcomes[message.message_id] = outcome = await _send(message, allowed, seconds)
                if outcome.problem is not None:
                    return

    await asyncio.gather(*map(send_queue, queues))
    return outcomes


async def _send(message: Message, allowed: frozenset[str], seconds: float) -> Outcome:
    status = None
    try:
        async with asyncio.timeout(seconds):
            status = await _post(message, allowed)
    except TimeoutError:
        return Outcome(None, f"no answer within {seconds:g} s")
    except UserError as error:
        return Outcome(None, str(error))
    except Exception as error:  # whatever a receiver does harms its own messages only
        return Outcome(None, type(error).__name__)
    return Outcome(status, None if 200 <= status < 300 else f"the receiver answered {status}")


async def _post(message: Message, allowed: frozenset[str]) -> int:
    """The status; the answer's body is not read."""
    parts = urlsplit(message.url)
    addresses = await _resolved(message.url, allowed)
    target = httpx2.URL(message.url).copy_with(host=addresses[0])
    headers = {"Host": parts.netloc.rpartition("@")[2], **message.headers}
    # One deadline, the caller's, is for all of it.
    async with httpx2.AsyncClient(timeout=None, follow_redirects=False, trust_env=False) as client:
        request = client.build_request("POST", target, content=message.body, headers=headers)
        request.extensions["sni_hostname"] = parts.hostname
        answer = await client.send(request, stream=True)
        await answer.aclose()
        return answer.status_code


async def _resolved(url: str, allowed: frozenset[str]) -> list[str]:
    """`check_url` on a thread that nobody waits for beyond the deadline."""
    answer: Future[list[str]] = Future()

    def resolve() -> None:
        try:
            found = check_url(url, allowed)
        except BaseException as error:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    threading.Thread(target=resolve, daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(answer))

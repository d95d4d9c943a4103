"""The way out to addresses that a person gave: never into the operator's own network, never along a redirect."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from bridged.core.errors import UsageError
from bridged.profiles.scoring import notice

_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
_READ = 1024
"""Bytes of an answer that are looked at; the status says all that counts."""


class _Public(AbstractResolver):
    """Resolves names to addresses of the public internet only: at the moment of connecting, so that no name that
    changed its mind since it was checked leads into the operator's own network.
    """

    def __init__(self, *, private: bool) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if self._private:
            return found
        public = [each for each in found if notice.reachable(each["host"])]
        if not public:
            raise OSError(f"{host} leads to a private network")
        return public

    async def close(self) -> None:
        await self._inner.close()


def session(*, private: bool, at_once: int) -> aiohttp.ClientSession:
    """To be closed by the caller. `private`: addresses of the operator's own network are allowed."""
    connector = aiohttp.TCPConnector(resolver=_Public(private=private), limit=at_once)
    return aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())


async def post(
    way: aiohttp.ClientSession, url: str, sent: bytes, headers: Mapping[str, str], *, private: bool
) -> tuple[int | None, str]:
    """The status of one try, None where there was no answer, and what was wrong, which names no more than the host."""
    try:
        notice.checked(url, private=private)
        async with way.post(url, data=sent, headers=dict(headers), allow_redirects=False) as answer:
            await answer.content.read(_READ)
            return answer.status, f"answered {answer.status}"
    except UsageError as error:
        return None, error.message
    except TimeoutError:
        return None, "no answer in time"
    except (aiohttp.ClientError, OSError) as error:
        return None, f"{urlsplit(url).hostname}: {type(error).__name__}"

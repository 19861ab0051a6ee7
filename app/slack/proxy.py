"""Which proxy a call goes through."""

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

_SCHEMES = {"ws": "http", "wss": "https"}


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for `url`, if any.

    This machine itself is never reached through a proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies_environment()
    return proxies.get(_SCHEMES.get(parts.scheme, parts.scheme)) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

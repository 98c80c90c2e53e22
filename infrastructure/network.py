"""Whether a host is this machine: only what never leaves it may go without TLS in production."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a name or an address, in brackets or not, is the loopback interface of this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False

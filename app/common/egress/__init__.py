"""The only outgoing HTTP client for addresses that tenants give us.

It speaks https only, requires that every address of a name is public when it connects, and connects
to one of these addresses while the certificate and the Host header stay those of the name. It
follows no redirects, limits the number of bytes, and has one deadline for everything.
"""

from app.common.egress.client import Fetched, Limits, Outgoing, fetch
from app.common.egress.rules import EgressRefused, check_url, is_public
from app.common.egress.transport import Call, EgressFailed, Transport

__all__ = [
    "Call",
    "EgressFailed",
    "EgressRefused",
    "Fetched",
    "Limits",
    "Outgoing",
    "Transport",
    "check_url",
    "fetch",
    "is_public",
]

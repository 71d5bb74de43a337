"""A certificate authority of our own, and a certificate for the loopback address, for servers and for clients."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Certificates(NamedTuple):
    """Paths of files: what clients trust, what the server shows, and the key to it."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make a new authority and a certificate by it."""
    import trustme

    paths = Certificates(*(directory / name for name in ("ca.pem", "server.pem", "server.key")))
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(paths.authority))
    server.cert_chain_pems[0].write_to_path(str(paths.certificate))
    server.private_key_pem.write_to_path(str(paths.key))
    return paths

"""Certificates made on the spot with openssl, good and bad: TLS contexts of a server and of a client that trusts it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

HERE = "IP:127.0.0.1,DNS:localhost"
FORMER = ("20200101000000Z", "20200102000000Z")
LATELY = ("20200101000000Z", "20991231000000Z")
CONFIGURATION = """
[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/index
rand_serial = yes
default_md = sha256
policy = anything
copy_extensions = copy
[anything]
commonName = supplied
"""


def contexts(
    folder: Path, *, names: str = HERE, expired: bool = False
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own for `names`, and a client's that trusts that certificate."""
    key, request, certificate = folder / "key.pem", folder / "request.pem", folder / "certificate.pem"
    (folder / "index").touch()
    (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder), "utf-8")
    start, end = FORMER if expired else LATELY
    key_of = "-new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split()  # noqa: SIM905
    of_whom = ["-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    sign = f"ca -batch -selfsign -notext -startdate {start} -enddate {end} -config".split()
    _openssl("req", *key_of, *of_whom, "-keyout", str(key), "-out", str(request))
    _openssl(
        *sign, str(folder / "ca.cnf"), "-keyfile", str(key), "-in", str(request), "-out", str(certificate)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


def _openssl(*arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")

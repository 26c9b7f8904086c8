import socket
import ssl
import subprocess
import sys

import pytest

from tapewire.transport.network import network_cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "its name cannot be resolved: Name or service not known",
        ),
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (BrokenPipeError(), "the connection was dropped during the handshake"),
        (EOFError(), "the connection was dropped during the handshake"),
        (TimeoutError(), "timed out after 2.5 s"),
        (OSError(113, "No route to host"), "No route to host"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] hush"), "TLS failed: the handshake was cut off"),
        (UnicodeError("hush"), "its name cannot be resolved: not a host name"),
        (ZeroDivisionError("hush"), "the handshake failed (ZeroDivisionError)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_cause_is_clear_and_holds_nothing_secret(error: Exception, cause: str) -> None:
    assert network_cause(error, 2.5) == cause


def test_a_venue_is_imported_without_what_only_a_connection_or_a_call_needs() -> None:
    code = "import sys, tapewire.venues.weex; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"httpx2", "websockets", "urllib.request", "email.utils"} & set(modules)

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "autobahn.py"

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(240),
    pytest.mark.skipif(importlib.util.find_spec("kosoku") is None, reason="kosoku 0.1.0 is not installed"),
]


@pytest.mark.parametrize("transport", ["fast", "websockets"])
def test_the_transport_passes_the_autobahn_cases(transport: str) -> None:
    command = [sys.executable, str(SCRIPT), transport, "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

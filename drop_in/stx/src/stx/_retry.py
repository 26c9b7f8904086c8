"""The retry policy, as the documents import it."""

from __future__ import annotations

from tapewire.retry import NO_RETRY, RetryPolicy

__all__ = ["NO_RETRY", "RetryPolicy"]

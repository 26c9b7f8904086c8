from datetime import UTC, datetime

import pytest

from tapewire.retry import retry_after_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Fri, 06 Nov 2026 08:50:37 GMT", 60.0),
        ("Fri, 06 Nov 2026 08:00:00 GMT", 0.0),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("9" * 40, None),
        ("soon", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_a_surprise(value, seconds):
    now = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
    assert retry_after_seconds(value, now) == seconds

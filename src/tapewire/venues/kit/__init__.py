"""What every venue does alike, written once. A venue brings its words as data; nothing here knows one of them.

Here is what the author of a venue's realtime class needs; docs/new-venue.md says how it goes together.
"""

from .connection import Body, HomeLoop, session_fields
from .dialing import Dialer, HttpDialing, SocketDialing, dialer_of
from .errors import ErrorMap, Invalid, RateLimited, Unfinished, UnreadableAnswer, VenueError
from .fields import exact_json
from .settings import (
    EITHER,
    HTTP,
    SOCKET,
    Announcement,
    Rank,
    Refuse,
    Setting,
    SettingSpec,
    Sources,
    address,
    number,
    secret,
)
from .socket import SocketWords, VenueSocket
from .spec import ChannelSpec, VenueSpec

__all__ = [
    "EITHER",
    "HTTP",
    "SOCKET",
    "Announcement",
    "Body",
    "ChannelSpec",
    "Dialer",
    "ErrorMap",
    "HomeLoop",
    "HttpDialing",
    "Invalid",
    "Rank",
    "RateLimited",
    "Refuse",
    "Setting",
    "SettingSpec",
    "SocketDialing",
    "SocketWords",
    "Sources",
    "Unfinished",
    "UnreadableAnswer",
    "VenueError",
    "VenueSocket",
    "VenueSpec",
    "address",
    "dialer_of",
    "exact_json",
    "number",
    "secret",
    "session_fields",
]

"""What is public, literally: a name that comes or goes is seen here, and has its line in CHANGELOG.md.

That the types of all of them are known is `scripts/public_types.py`, which `make check` runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tapewire
from scripts.public_types import PUBLIC, judged
from tapewire import errors, marks

ROOT = Path(__file__).parent.parent

NAMES = {
    "tapewire": """
        BufferOverflow Clock ConfigurationError ConnectFailed ConnectionFailure ConnectionLost Connector
        ContinuityChanged ContinuityState Credentials CredentialsError CredentialsRefused Delivery Endpoint
        Errored ForeignTape Gap GapReason GaveUp HandshakeRefused HttpError IllegalTransition Lagged Mark
        MissingExtra NEVER_GIVE_UP NO_RETRY NeverConnected NewerTape NotSubscribed NotSupported OwnerCancelled
        Pool Reconnected RedactingFilter RequestError RequestLost RequestRefused RequestTimeout Resynced
        RetryPolicy Secret Session SessionClosed SessionOptions Statistics StreamPosition Subscribed Subscribing
        Subscription SubscriptionEnded SubscriptionError SubscriptionRefused SubscriptionStatistics SystemClock
        TapeCorrupt TapeError TapewireError UndecodableFrame UnknownInstrument Unsubscribed WrongLoop
        __version__ connect guard is_mark merge paper
    """,
    "tapewire.book": """
        Applied BookSide BookState CHAINED CONSECUTIVE DepthSnapshot Held Ignored Number Numbering OrderBook
        RestingOrder RestingOrderBook Resync Sequencer UNNUMBERED VERSIONED Verdict
    """,
    "tapewire.errors": """
        BufferOverflow ConfigurationError ConnectFailed ConnectionFailure ConnectionLost CredentialsError
        CredentialsRefused ForeignTape GaveUp HandshakeRefused HttpError IllegalTransition MissingExtra
        NeverConnected NewerTape NotSubscribed NotSupported OwnerCancelled RequestError RequestLost
        RequestRefused RequestTimeout SessionClosed SubscriptionEnded SubscriptionError SubscriptionRefused
        TapeCorrupt TapeError TapewireError UndecodableFrame UnknownInstrument WrongLoop
    """,
    "tapewire.market": """
        BalanceMemory BookView Capability Continuity Feed FillMemory Levels OrderMemory PositionMemory Proof VERBS Venue
        Verb WatchOptions
    """,
    "tapewire.marks": """
        ContinuityChanged ContinuityState Errored Gap GapReason Lagged Mark Reconnected Resynced Subscribed
        Subscribing Unsubscribed is_mark merge
    """,
    "tapewire.model": """
        Balance BookSnapshot EXACT Exact FINAL_STATUSES Fees Fill Instrument InstrumentKind
        InvalidField Level Liquidity MAX_DECIMALS MAX_LEVELS Market MarketStatus ODDS_SCALE Order OrderKind
        OrderRequest OrderSide OrderStatus Outcome Position PositionSide QuoteSide Rounding Ticker
        TimeInForce Trade american_odds check_on_grid contracts_for decimal_odds is_on_tick liability on_axis opposite
        parse_decimal parse_scaled_odds probability_from_american probability_from_decimal probability_from_scaled
        probability_from_stakes round_to_tick rounded scaled_from_probability
    """,
    "tapewire.protocols": """
        Binary ClientProtocol Command Confirmed CredentialsExpiring Ended Event Failed Interrupted Payload
        Publication Ready Refused Replied Skipped StreamPosition Undecodable Unnumbered
    """,
    "tapewire.protocols.centrifugo": """
        CHANNEL_LIMIT CentrifugoClient CentrifugoServer ChannelHistory ClientInfo CloseMeaning
        ConnectRequested ConnectResult DISCONNECTS Disconnected ERRORS ErrorReply History HistoryRequested
        HistoryResult NoHistory Pacing Presence PresenceRequested PresenceResult PresenceStats
        PresenceStatsRequested PresenceStatsResult Publication Publish PublishRequested Recovery Refresh
        RefreshRequested RefreshResult Rpc RpcRequested SeenIds Send SendReceived ServerRequest SubRefresh
        SubRefreshRequested SubscribeParams SubscribeRequested SubscribeResult UNSUBSCRIBES
        UnsubscribeReceived close_meaning encode_publication
    """,
    "tapewire.protocols.graphql_ws": """
        CLOSE_CODES CompleteReceived GraphQLClient GraphQLServer InitReceived MAX_OPERATIONS Next
        Operation Result SUBPROTOCOL ServerRequest SubscribeReceived
    """,
    "tapewire.protocols.phoenix": """
        BinaryResponse Codec FINAL_REASONS Frame JoinRequested LeaveRequested MAX_HELD_PUSHES
        PhoenixClient PhoenixServer Presence Push PushReceived ServerRequest Version auth_subprotocols
        encode_broadcast negotiate socket_url token_from_subprotocols
    """,
    "tapewire.recording": """
        Difference Recorder RecorderStatistics RecordingConnector Replay SqliteStore StoreFailed StoreStatistics
        Table Tape recorded replayed
    """,
    "tapewire.recording.http": """
        RecordingHttp ReplayHttp unnoted
    """,
    "tapewire.risk": """
        Alarm Directory GuardedVenue Journal JournalError Status Wishes guard restored
    """,
    "tapewire.sandbox": """
        BalanceChanged BookChanged Entry Event Exchange FAULTS FaceContext Flow FlowSettings Injected
        JoinGate Ledger OrderChanged Request Response Sandbox Socket SocketHandler TopicFace TopicListener
        Topics Traded digest_of run_sandbox
    """,
    "tapewire.session": """
        Connector Consumer Credentials Delivery Endpoint ErrorHook Feed Handler Items Iteration MarkHandler
        NEVER_GIVE_UP NO_RETRY Policy Pool RetryPolicy Session SessionOptions State Statistics StreamPosition
        Subscription SubscriptionState SubscriptionStatistics TokenProvider
    """,
    "tapewire.streams": """
        Batches Filtered Heard Live Merged Stale Staleness StalenessWatch batched filtered merge
    """,
    "tapewire.sync": """
        Feed MOST_AHEAD Merged PaperVenue Venue connect merge paper
    """,
    "tapewire.testing": """
        CentrifugoPeer PhoenixPeer VirtualClock check_protocol check_transport check_venue
    """,
    "tapewire.trading": """
        Approved Arrival Cancels Change Crossing Doubt ExponentialAverage FillSimulator Gate GateState Holding Limits
        OrderDenied PaperConfig PaperEngine PaperState Profit Quoted RestingOrder RiskState Signal SimpleAverage
        SimulatedFill compared
    """,
    "tapewire.transport": """
        Connector Endpoint FastConnector MemoryNetwork Receiver Transport WebsocketsConnector
        default_connector
    """,
    "tapewire.venues.kit": """
        Announcement Body ChannelSpec Dialer EITHER ErrorMap HTTP HomeLoop HttpDialing Invalid Rank
        RateLimited Refuse SOCKET Setting SettingSpec SocketDialing SocketWords Sources Unfinished
        UnreadableAnswer VenueError VenueSocket VenueSpec address dialer_of exact_json number secret
        session_fields
    """,
    "tapewire.venues.kit.market": """
        Fed Items MarketFeed Port Source VenueMarket
    """,
    "tapewire.venues.stake": """
        AccessDeniedError AnswerError ArgumentError AuthManager AuthenticationError GameNotFoundError
        InsufficientFundsError NetworkError RateLimitError ServerError StakeAPI StakeAPIError StakeLine
        StakeMessage StakeWebSocket ValidationError
    """,
    "tapewire.venues.stx": """
        AsyncSTX ChannelMessage Channels Page Record RetryPolicy STX STXAnswerException STXAuthException
        STXAuthenticationFailedException STXChannelException STXException STXForbiddenException
        STXInvalidParameterException STXNotFoundException STXRateLimitException STXServerException
        STXTokenExpiredException STXTransportException STXTwoFactorRequiredException
        STXValidationException STXWebSocket Selection User
    """,
    "tapewire.venues.sxbet": """
        AsyncSXBet ChannelSubscription ConnectedContext ConnectingContext DisconnectedContext ErrorContext
        HistoryEntry HistoryPage LevelBook MarketBook NETWORKS NotConnected PROFILES Profile
        PublicationContext RetryPolicy SXBetAnswerError SXBetClient SXBetError SXBetInvalidParameter
        SXBetRateLimitError SXBetRequestError SXBetServerError SXBetTransportError SeedBatcher
        StreamPosition SubscribedContext SubscribingContext TokenUnavailable UnauthorizedError
        UnknownMarket UnsubscribedContext V2 V3 channel_for outcome_id parse_channel parse_outcome_id
    """,
    "tapewire.venues.weex": """
        OrderOutcomeUnknown PROFILES Profile RetryPolicy Stream V2 V3 WEEXAuthenticationError WEEXError
        WEEXInvalidArgument WEEXNetworkError WEEXNotFoundError WEEXParameterError WEEXParseError
        WEEXPermissionError WEEXRateLimitError WEEXRequestError WEEXSystemError WeexAsyncClient WeexConfig
        WeexMessage WeexProtocol WeexWebSocketClient
    """,
}


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_these(package):
    assert sorted(import_module(package).__all__) == sorted(NAMES[package].split())


def test_each_public_package_is_listed():
    assert list(NAMES) == list(PUBLIC)


def test_the_changelog_names_the_public_packages():
    policy = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("**Versions**")[0]
    assert sorted(re.findall(r"`(tapewire[a-z_.]*)`", policy)) == sorted(PUBLIC)


def test_what_may_be_raised_or_stand_in_a_stream_is_had_from_the_package_itself():
    assert set(errors.__all__) <= set(tapewire.__all__)
    assert set(marks.__all__) - {"merge"} <= set(tapewire.__all__)


@pytest.mark.parametrize("package", PUBLIC)
def test_each_public_name_says_what_it_is(package):
    module = import_module(package)
    assert module.__doc__
    undocumented = [
        name
        for name in module.__all__
        if isinstance(value := getattr(module, name), type) and not (value.__doc__ or "").strip()
    ]
    assert undocumented == []


def test_to_import_the_package_loads_no_transport_and_no_http():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, tapewire, tapewire.transport; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {"httpx2", "websockets", "rich", "typer", "tapewire.transport.fast", "tapewire.transport.memory"}
    assert slow.isdisjoint(told.stdout.split())


def loaded_by(code):
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


def test_to_import_the_package_alone_loads_no_event_loop_no_sockets_and_no_tls():
    assert {"asyncio", "socket", "ssl", "tapewire.session", "tapewire.retry"}.isdisjoint(
        loaded_by("import tapewire")
    )


@pytest.mark.parametrize(
    "code",
    [
        "from tapewire import Session",
        "import tapewire; tapewire.Session",
        "import tapewire; tapewire.session",
        "from tapewire import *",
    ],
)
def test_what_is_not_loaded_yet_is_there_when_it_is_asked_for(code):
    assert "tapewire.session.session" in loaded_by(code)


def test_a_name_that_is_not_there_is_missing_as_from_any_module_and_all_that_are_there_are_listed():
    with pytest.raises(AttributeError, match=r"module 'tapewire' has no attribute 'Sesion'"):
        _ = tapewire.Sesion
    assert set(tapewire.__all__) <= set(dir(tapewire))


def test_a_transport_that_is_asked_for_by_a_wrong_name_is_missing_as_from_any_module():
    with pytest.raises(AttributeError, match="NoConnector"):
        _ = import_module("tapewire.transport").NoConnector


@pytest.mark.parametrize(
    ("name", "known", "ambiguous", "complaints"),
    [
        ("tapewire.Session", True, False, 0),
        ("tapewire.Session.topics", True, True, 1),
        ("tapewire.Session", False, False, 1),
        ("tapewire.session.driver.Driver", False, False, 0),
    ],
)
def test_a_type_that_is_not_known_is_complained_of_where_it_is_public(name, known, ambiguous, complaints):
    symbol = {"name": name, "isTypeKnown": known, "isTypeAmbiguous": ambiguous, "diagnostics": []}
    assert len(judged([symbol], {"tapewire.Session"})[1]) == complaints

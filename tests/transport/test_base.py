import ssl

from tapewire.transport.base import Endpoint


def test_the_repr_shows_neither_query_nor_headers_nor_user() -> None:
    endpoint = Endpoint(
        url="wss://me:hush@venue.test:444/socket?token=hush", headers={"Authorization": "hush"}
    )
    assert repr(endpoint) == "Endpoint('wss://venue.test:444/socket')"
    assert endpoint.host == "venue.test:444"


def test_a_secure_address_is_always_verified_and_a_plain_one_has_no_context() -> None:
    assert Endpoint(url="ws://venue.test/").ssl_context is None
    context = Endpoint(url="wss://venue.test/").ssl_context
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    own = ssl.create_default_context()
    assert Endpoint(url="wss://venue.test/", ssl=own).ssl_context is own

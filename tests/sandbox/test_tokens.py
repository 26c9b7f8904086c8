import json
from base64 import urlsafe_b64decode

import pytest

from tapewire.sandbox.core.tokens import TokenMint


def test_what_was_signed_is_read_back_and_no_two_tokens_are_the_same():
    mint = TokenMint()
    one, two = mint.sign({"sub": "a"}), mint.sign({"sub": "a"})
    assert mint.read(one) == {"sub": "a", "jti": "1"}
    assert one != two
    head = one.split(".")[0]
    assert json.loads(urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "é.é.é", "x" * 5000])
def test_what_was_not_signed_here_is_none(token):
    assert TokenMint().read(token) is None


def test_a_token_of_another_start_is_none():
    assert TokenMint().read(TokenMint().sign({})) is None

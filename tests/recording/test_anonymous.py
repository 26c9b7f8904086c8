"""The invariant: nothing of one's own is left, nothing else is changed, and no length, order or equality is."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.recording.anonymous import Anonymiser, ranked
from tapewire.recording.format import Kind, Record

ORDER = "335753380679864921"
WALLET = "0xEb1d39a7e03a2f46f3b67fe5138d8c7b69ad22bC"
UID = "e02fa263-c3da-53a0-b631-1265065b4911"
JOIN = Record(Kind.SENT, 1, 1, [f'{{"id":7,"join":"own:{UID}"}}'])


def owner_of(topic):
    return topic.removeprefix("own:") if topic.startswith("own:") else None


def anonymised(*records, key=b"k", **names):
    named = {"ids": ("orderId", "maker", "name"), "amounts": ("size", "filled"), "calls": "/account"}
    made = Anonymiser(owner_of, key=key, **(named | names))
    for record in records:
        made.learn(record)
    return made, [made.rewrite(record) for record in records]


def said(*texts, connection=1):
    return Record(Kind.READ, 2, connection, [text.encode() for text in texts])


def test_what_is_ones_own_is_replaced_alike_wherever_it_stands_and_keeps_its_length():
    records = [
        JOIN,
        said(f'["own:{UID}",{{"orderId":"{ORDER}","maker":"{WALLET}","size":"12.50"}}]'),
        said(f'["public",{{"hash":"{ORDER}","bettor":"{WALLET.lower()}","size":"12.50"}}]'),
        Record(Kind.ASKED, 3, 0, [1, "GET", f"http://v/orders/{ORDER}?maker={WALLET}", [["x-of", UID]], b""]),
        Record(Kind.NOTE, 4, 0, {"about": f"order-{ORDER}", UID: 1}),
    ]
    _, made = anonymised(*records)
    for whole in (str(each.data) for each in made):
        assert ORDER not in whole
        assert UID not in whole
        assert WALLET.lower() not in whole.lower()
    assert [len(str(each.data)) for each in made] == [len(str(each.data)) for each in records]
    own, public = (str(each.data[0], "utf-8") for each in made[1:3])
    order = own.split('"orderId":"')[1][:18]
    wallet = own.split('"maker":"')[1][:42]
    assert order.isdecimal()
    assert int(wallet, 16)
    assert f'"hash":"{order}","bettor":"{wallet}","size":"12.50"' in public, "what is public has its amounts"
    assert made[3].data[2] == f"http://v/orders/{order}?maker={wallet}"
    assert made[4].data["about"] == f"order-{order}"
    assert '"size":"12.50"' not in own


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"e":"own:X","orderId":123456789}', "123456789"),
        ('{"e":"own:X","orderId" : "12345"}', "12345"),
        ('{"e":"own:X","orderId":["abcdefgh","x"]}', "abcdefgh"),
        ('{"e":"own:X","text":"{\\"orderId\\":\\"abcdefgh\\"}"}', "abcdefgh"),
        ('{"e":"own:X","name":"Ann Grünewald"}', "Grünewald"),
        ('{"e":"own:X","size":-98765.4321}', "98765.4321"),
        ('{"e":"own:X","size":"3.21e-7"}', "3.21"),
        ('{"e":"own:X","size":["777","12"]}', "777"),
        ('{"e":"own:X","text":"{\\"filled\\":\\"777\\"}"}', "777"),
        ('{"id":7,"result":{"size":777}}', "777"),
        ('{"e":"own:X","orderId":"abcdefgh', "abcdefgh"),
        ('{"e":"public","mail":"ann.b@example.org"}', "ann.b@example.org"),
        ('{"e":"public","next":"/x?mail=ann.b%40example.org","mail":"ann.b@example.org"}', "ann.b%40"),
    ],
)
def test_every_spelling_of_it_is_found(text, secret):
    record = said(text.replace("own:X", f"own:{UID}"))
    _, (_, made) = anonymised(JOIN, record)
    (replaced,) = made.data
    assert secret not in replaced.decode()
    assert len(replaced) == len(record.data[0])
    bare = str.maketrans("", "", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    ascii_only = [each.decode("ascii", "ignore").translate(bare) for each in (replaced, record.data[0])]
    assert ascii_only[0] == ascii_only[1]


def test_what_is_not_ones_own_stays_as_it_is():
    records = [
        JOIN,
        said('{"id":8,"result":{"size":777,"orderId":"abcdefgh"}}'),
        said(f'["own:{UID}",{{"size":777,"orderId":"zyxwvuts"}}]', connection=2),
        Record(
            Kind.ASKED,
            3,
            0,
            [1, "GET", "http://v/markets?maker=anybody12", [], b'{"size":5,"orderId":"abcdefgh"}'],
        ),
        Record(Kind.ANSWERED, 3, 0, [1, 200, [], b'{"size":5,"orderId":"abcdefgh"}']),
    ]
    _, made = anonymised(*records)
    assert made[1] == records[1]
    assert b"zyxwvuts" in made[2].data[0]
    assert made[3:] == records[3:]


def test_calls_about_the_account_are_ones_own_with_their_answers():
    records = [
        Record(Kind.ASKED, 3, 0, [4, "POST", "http://v/account?orderId=abcd1234", [], b'{"size":"123"}']),
        Record(Kind.ANSWERED, 3, 0, [4, 200, [], b'{"orderId":"efgh5678","filled":"55"}']),
    ]
    _, made = anonymised(*records)
    whole = str([each.data for each in made])
    assert [
        word for word in ("abcd1234", "123", "efgh5678", "55") if word in whole.replace("http://v", "")
    ] == []


def test_nothing_and_a_counter_are_no_secret():
    record = said(f'["own:{UID}",{{"orderId":"0","size":0,"filled":"0.00","id":12,"maker":""}}]')
    _, (_, made) = anonymised(JOIN, record)
    assert made.data[0].endswith(b'{"orderId":"0","size":0,"filled":"0.00","id":12,"maker":""}]')


def test_placeholders_are_of_one_key_and_another_key_draws_others():
    record = said(f'["own:{UID}",{{"orderId":"{ORDER}","size":"12345.678"}}]')
    alike, again = (anonymised(JOIN, record, key=b"a")[1] for _ in range(2))
    assert alike == again != anonymised(JOIN, record, key=b"b")[1]
    drawn = Anonymiser(owner_of), Anonymiser(owner_of)
    for each in drawn:
        each.learn(JOIN)
    assert drawn[0].rewrite(JOIN) != drawn[1].rewrite(JOIN)


def test_two_ids_never_get_one_placeholder():
    records = [said(f'["own:{UID}",{{"orderId":"{number}"}}]') for number in range(1000, 4000)]
    _, made = anonymised(JOIN, *records)
    assert len({each.data[0] for each in made[1:]}) == len(records)


def test_what_is_no_text_stays_and_is_counted():
    record = Record(Kind.READ, 2, 1, [[b"\0\xffabc"], b"\xffplain"])
    made, (_, rewritten) = anonymised(JOIN, record)
    assert rewritten.data == [[b"\0\xffabc"], b"\xffplain"]
    assert made.opaque == 1


def test_what_feeds_of_ones_own_said_is_left_out_for_it_could_be_guessed():
    note = Record(
        Kind.NOTE,
        1,
        0,
        {"heard": "run", "feeds": {"v: watch_balance": [3, "d"], "v:a watch_trades": [1, "e"]}},
    )
    _, (made,) = anonymised(note, unsaid=["v: watch_balance"])
    assert made.data == {"heard": "run", "feeds": {"v:a watch_trades": [1, "e"]}}


def test_settings_are_freed_of_it_too():
    made, _ = anonymised(JOIN)
    assert (
        made.settings({"plan": {"mail": "ann@example.org", "of": UID, "host": "http://v"}})["plan"]["host"]
        == "http://v"
    )
    assert "ann@" not in str(made.settings({"mail": "ann@example.org", "of": UID}))
    assert UID not in str(made.settings({"of": UID}))


numbers = st.from_regex(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,8})?", fullmatch=True)


@given(st.sets(numbers, max_size=40), st.integers())
def test_amounts_keep_order_equality_and_length_and_nothing_stays_nothing(texts, seed):
    places = {text: len(text.partition(".")[2].rstrip("0")) for text in texts}
    made = ranked(places, random.Random(seed))
    values = sorted({Decimal(text) for text in texts} - {Decimal(0)})
    assert sorted(made) == values
    assert all(made[less] < made[more] for less, more in pairwise(values))
    for text in texts:
        if Decimal(text):
            told = f"{made[Decimal(text)]:.{len(text.partition('.')[2])}f}"
            assert Decimal(told) == made[Decimal(text)] > 0
            assert len(told) == len(text)


def test_amounts_are_others_than_they_were():
    made = ranked({str(number): 0 for number in range(10_000, 90_000, 1_700)}, random.Random(3))
    assert sum(value == placeholder for value, placeholder in made.items()) <= 1

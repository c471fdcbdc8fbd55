"""The arithmetic of text messages, at its edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.domain.sms_segments import SmsEncoding, sms_segments

GSM, UCS = SmsEncoding.GSM_7, SmsEncoding.UCS_2

CASES = [
    ("", GSM, 0, 1),
    ("a" * 160, GSM, 160, 1),
    ("a" * 161, GSM, 161, 2),
    ("a" * 306, GSM, 306, 2),
    ("a" * 307, GSM, 307, 3),
    ("€" * 80, GSM, 160, 1),
    ("€" * 81, GSM, 162, 2),
    # 153 is odd: the 77th of these does not fit beside 152 septets, and 1 of each segment stays empty.
    ("€" * 152, GSM, 304, 2),
    ("€" * 153, GSM, 306, 3),
    ("a" * 152 + "€" + "a" * 152, GSM, 306, 3),
    ("@£$¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\n\r_", GSM, 44, 1),
    ("\f^{}\\[~]|€", GSM, 20, 1),
    ("ç", UCS, 1, 1),
    ("`", UCS, 1, 1),
    ("\t", UCS, 1, 1),
    ("Ł" * 70, UCS, 70, 1),
    ("Ł" * 71, UCS, 71, 2),
    ("a" * 70 + "\u2019", UCS, 71, 2),
    ("Ł" * 134, UCS, 134, 2),
    ("Ł" * 135, UCS, 135, 3),
    ("📦" * 35, UCS, 70, 1),
    ("📦" * 36, UCS, 72, 2),
    # 67 is odd: 33 of these fill a segment.
    ("📦" * 66, UCS, 132, 2),
    ("📦" * 67, UCS, 134, 3),
]


@pytest.mark.parametrize(("text", "encoding", "units", "count"), CASES)
def test_segments(text: str, encoding: SmsEncoding, units: int, count: int) -> None:
    counted = sms_segments(text)
    assert (counted.encoding, counted.units, counted.count) == (encoding, units, count)


def test_the_alphabet_is_the_whole_alphabet() -> None:
    alphabet = "".join(chr(code) for code in range(0x10000) if sms_segments(chr(code)).encoding is GSM)
    # 128 septets without the escape to the extension table, and the ten characters of that.
    assert (len(alphabet), sms_segments(alphabet).units) == (127 + 10, 127 + 2 * 10)


@given(st.text(max_size=2000))
def test_segments_are_never_fewer_than_their_units_need_nor_more_than_one_unit_lost_in_each(
    text: str,
) -> None:
    counted = sms_segments(text)
    alone, joined = (160, 153) if counted.encoding is GSM else (70, 67)
    if counted.units <= alone:
        assert counted.count == 1
    else:
        assert -(-counted.units // joined) <= counted.count <= -(-counted.units // (joined - 1))
    if counted.encoding is UCS:
        assert counted.units == len(text.encode("utf-16-le", "surrogatepass")) // 2

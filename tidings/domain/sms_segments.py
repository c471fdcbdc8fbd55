"""How many segments a text message is sent in, which is what carriers charge for.

3GPP TS 23.038: a text goes out in the GSM 7-bit default alphabet if all of its characters are in it (those of
the extension table count twice), else whole in UCS-2. 3GPP TS 23.040: a segment has 140 octets, 6 fewer
where several are to be joined again.
"""

from dataclasses import dataclass
from enum import StrEnum

_DEFAULT_ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION_TABLE = frozenset("\f^{}\\[~]|€")


class SmsEncoding(StrEnum):
    """What the text's units are: septets of the default alphabet, or 16-bit code units."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"


MOST_SEGMENTS = 10
"""What a submission may have unless the settings say otherwise: vendors stop at 1,600 characters."""

_ALONE = {SmsEncoding.GSM_7: 160, SmsEncoding.UCS_2: 70}
_JOINED = {SmsEncoding.GSM_7: 153, SmsEncoding.UCS_2: 67}


@dataclass(frozen=True, slots=True)
class SmsSegments:
    """A text as it is sent: `units` of the encoding, in `count` segments. No text is one segment."""

    encoding: SmsEncoding
    units: int
    count: int


def sms_segments(text: str) -> SmsSegments:
    """Count. No character is cut in two: one that takes two units moves whole to the next segment."""
    if _DEFAULT_ALPHABET.union(_EXTENSION_TABLE).issuperset(text):
        encoding = SmsEncoding.GSM_7
        widths = [2 if character in _EXTENSION_TABLE else 1 for character in text]
    else:
        encoding = SmsEncoding.UCS_2
        widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    units = sum(widths)
    if units <= _ALONE[encoding]:
        return SmsSegments(encoding, units, 1)
    count, filled = 1, 0
    for width in widths:
        if filled + width > _JOINED[encoding]:
            count, filled = count + 1, 0
        filled += width
    return SmsSegments(encoding, units, count)

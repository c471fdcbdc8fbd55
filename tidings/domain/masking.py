"""Free text made fit for those who may read traces and logs, but not messages.

What a person types as a reason, or a library says in an error, may quote whom a message is for or what opens
a door. Whatever looks like an e-mail address, a URL, a secret or a number to call gives way to its kind in
brackets. It masks rather too much than too little; names, and secrets made of plain words, it cannot know.

Kept, because those who search for a fault need them: times (RFC 3339), our own ids (UUIDs of version 7), and
the addresses of private networks. A text that is to be shortened is masked first: half an address is not
recognised. Every pattern takes time in proportion to the text.
"""

import re

EMAIL, URL, SECRET, NUMBER = "[email]", "[url]", "[secret]", "[number]"

_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL)

_NAMED_SECRET = re.compile(
    r"""(?P<name>(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|signature|authorization|cookie
        |(?:api|access|private|account)[-_ ]?key|\b(?:pin|otp|sig|key)\b)["']?\s*)
        (?P<sign>=>|[:=]|\bis\b(?=\s+\S*\d))\s*
        (?:(?:bearer|basic|digest)\s+)?
        (?!\[)(?:"[^"]*"|'[^']*'|[^\s,;&"']+)""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+(?=\S*[\d=])[\w.~+/=-]{6,}", re.IGNORECASE)

_URL = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,31}(?::|%3A)(?://|\\/\\/|%2F%2F)|www\.)[^\s<>\"'`]+", re.IGNORECASE
)

_LOCAL = r"[^\s@\uff20\ufe6b<>()\[\]{},;:\"`|]"
_DOMAIN = r"(?:\[[^\]\s]{1,64}\]|[^\s<>()\[\]{},;:\"'`|]+)"
_AT = (
    r"(?:[@\uff20\ufe6b]\s?|\s[@\uff20\ufe6b](?:\s|(?=[\w-]{1,63}\.\w))|\s?[(\[{<]\s?at\s?[)\]}>]\s?"
    r"|%(?:25)*40|&\#0*64;|&\#x0*40;|&commat;|\\u0040)"
)
_DOT = r"(?:\s?[(\[{<]\s?dot\s?[)\]}>]\s?|\sdot\s)"
_EMAIL = re.compile(
    rf"""\"[^\"\n]{{1,64}}\"[@\uff20\ufe6b]{_DOMAIN}
        |(?<!{_LOCAL}){_LOCAL}+?(?:{_AT}{_DOMAIN}(?:{_DOT}[\w-]+)*|\sat\s[\w-]+(?:{_DOT}[\w-]+)+)""",
    re.IGNORECASE | re.VERBOSE,
)

_KEPT = re.compile(
    r"""(
        (?<![\w-])(?:(?:notification|schedule|receipt)-)?
            [0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?!\w)
        |(?<![\w+.-])(?:19|20)\d\d-[01]\d-[0-3]\d
            (?:[T ][0-2]\d:[0-5]\d(?::[0-6]\d(?:\.\d{1,9})?)?(?:Z|[+-][0-2]\d:[0-5]\d)?)?(?![\w-])
        |(?<![\w+.-])(?:(?:10|127)(?:\.\d{1,3}){3}|(?:192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2})
            (?![\w-]|\.\d)
    )""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)

_RUN = re.compile(r"[A-Za-z0-9_+/=~.-]{16,}")
_BETWEEN_PIECES = re.compile(r"[_+/=~.-]+")
_CHANGE = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_WORDS_IN_A_NAME = re.compile(r"(?:[A-Z]*+[a-z]{2,}+)*+[A-Z]*+")

_NUMBER = re.compile(r"[+\uff0b]?\(?\d(?:[\s()./_\u00b7\u2010-\u2015\u2212-]{0,3}\d){6,}")


def masked(text: str) -> str:
    """The text without what may name a person or open a door. Masking it again changes nothing."""
    text = _INVISIBLE.sub("", text)
    text = _PRIVATE_KEY.sub(SECRET, text)
    text = _URL.sub(URL, text)
    text = _NAMED_SECRET.sub(rf"\g<name>\g<sign>{SECRET}", text)
    text = _BEARER.sub(rf"\g<1> {SECRET}", text)
    text = _EMAIL.sub(EMAIL, text)
    pieces = _KEPT.split(text)
    pieces[::2] = [_NUMBER.sub(NUMBER, _RUN.sub(_unless_words, piece)) for piece in pieces[::2]]
    return "".join(pieces)


def _unless_words(run: re.Match[str]) -> str:
    """The run of characters, if it reads as words, names and figures; else the mark of a secret."""
    pieces = _BETWEEN_PIECES.split(run[0])
    changes = [len(_CHANGE.findall(piece)) for piece in pieces]
    odd = sum(changes) > 3 or any(map(_is_odd, pieces, changes))
    return SECRET if odd else run[0]


def _is_odd(piece: str, changes: int) -> bool:
    """Whether no person would have written this as a word: `changes` is how often letter and digit meet."""
    if changes:
        return (len(piece) >= 8 and changes > 2) or (len(piece) >= 16 and changes > 1)
    if len(piece) < 16 or not piece.isalpha():
        return False
    return _WORDS_IN_A_NAME.fullmatch(piece) is None or (
        len(piece) >= 32 and piece in (piece.lower(), piece.upper())
    )

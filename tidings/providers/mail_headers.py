"""Header lines of a mail, written here and not by the `email` package.

That package reads what it is given as a header before it writes it: of a subject that spells out encoded
words (RFC 2047) it takes what they encode, line breaks and all, so that `=?utf-8?q?=0D=0ABcc:_eve@x?=`
becomes a header of its own. It also moves white space when it folds. Here a text is a text.
"""

import re
from email.charset import BASE64, Charset
from email.header import Header

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*", re.ASCII)
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LINE_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_LINE = 78
_LONGEST_PLAIN_NAME = 30

_UTF_8 = Charset("utf-8")
_UTF_8.header_encoding = BASE64


def text_header(name: str, text: str) -> bytes:
    """A header of free text, which reads as exactly this text. Raises ValueError for what breaks a line."""
    fits = len(name) + len(": ") + len(text) <= _LONGEST_LINE
    if text and not (fits and _reads_as_itself(_PLAIN, text)):
        text = _encoded(name, text)
    return f"{name}: {text}\r\n".encode()


def exact_header(name: str, value: str) -> bytes:
    """A header with a grammar of its own, such as a date. Raises ValueError for what breaks a line."""
    return f"{name}: {_unbroken(value)}\r\n".encode()


def mailbox_header(name: str, display_name: str, address: str) -> bytes:
    """A header that names one mailbox. Raises ValueError for what breaks a line."""
    if not display_name:
        return exact_header(name, address)
    address = _unbroken(address)
    if len(display_name) <= _LONGEST_PLAIN_NAME and _reads_as_itself(_ATOMS, display_name):
        return f"{name}: {display_name} <{address}>\r\n".encode()
    return f"{name}: {_encoded(name, display_name)}\r\n <{address}>\r\n".encode()


def _reads_as_itself(form: re.Pattern[str], text: str) -> bool:
    return form.fullmatch(text) is not None and "=?" not in text


def _encoded(name: str, text: str) -> str:
    header = Header(_unbroken(text), _UTF_8, maxlinelen=_LONGEST_LINE, header_name=name)
    return header.encode(linesep="\r\n")


def _unbroken(text: str) -> str:
    if _LINE_BREAKING.search(text):
        raise ValueError("a header cannot hold control characters or line breaks")
    return text

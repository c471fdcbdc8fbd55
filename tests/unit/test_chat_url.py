"""Which Apprise URLs may be recipients."""

import pytest

from tidings.domain.chat_url import HOSTED, SELF_HOSTED
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel

GOOD = [
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "slack://Bot@T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?format=markdown&thread=7",
    "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "workflows://prod-1.example.com:443/643a8/sig?ver=1",
    "mmosts://bot@chat.example:8443/3ccdd113474722377935511fc85d3dd4?channel=ops",
    "ntfy://user:password@[2606:4700::1]:8080/topic?priority=high&tags=a,b",
    "gotify://192.0.2.1/AbCdEf",
    "json://127.0.0.1:8025/hooks/a",
]
SAME_ADDRESS = [
    "http://",
    "https://",
    "ftp://",
    "//",
    "slack:",
    "slack:/",
    "Slack://",
    " slack://",
    "slack://\t",
]
OTHER_SCHEMES = [
    *(
        "file",
        "syslog",
        "rsyslog",
        "dbus",
        "glib",
        "kde",
        "gnome",
        "windows",
        "macosx",
        "blink1",
        "xml",
        "form",
    ),
    *("mailto", "mailtos", "apprise", "apprises", "smpp", "mqtt", "amqp", "growl", "irc", "exec", "script"),
    *("python", "schan", "memory", "vapid", "ses", "matrix", "home-assistant", "kodi", "snmp"),
]
PARAMETERS = [
    *(
        "template=/etc/passwd",
        "Template=/etc/passwd",
        "attach=http://127.0.0.1/",
        "file_url=http://10.0.0.1/",
    ),
    *("verify=no", "redirect=yes", "rto=600", "cto=600", "retry=9", "wait=9", "%2bHost=a", "+Host=a", ":a=b"),
    *("-a=b", "method=DELETE", "email=eve@example.com", "avatar_url=http://10.0.0.1/", "host=127.0.0.1"),
    *("tem%70late=/etc/passwd", "x", "tag=all:9", "to=a&template=x", "actions=http", "include=http://a"),
]


@pytest.mark.parametrize("url", GOOD)
def test_services_are_taken_and_kept_as_they_are(url: str) -> None:
    assert checked_recipient(Channel.CHAT, url) == url


@pytest.mark.parametrize(
    "url",
    [
        *(f"{start}example.com/a/b/c" for start in SAME_ADDRESS),
        *(f"{scheme}://secretword/a" for scheme in OTHER_SCHEMES),
        *(f"json://example.com/secretword?{given}" for given in PARAMETERS),
        *(
            f"json://{host}/secretword"
            for host in ("0x7f.1", "2130706433", "127.1", "a%2eb", "[::1%25a]", "", "a b")
        ),
        *(f"json://example.com:{port}/secretword" for port in ("0", "25", "99999", "x")),
        "slack://secretword/a\r\nb",
        "slack://secretword/a\x00",
        "slack://secretword/ä",
        "slack://secretword/?" + "a" * 2048,
        "json://a@b@example.com?/secretword#?template=x",
        # Apprise dials what stands before the second @.
        "json://secretword@127.0.0.1:25@example.com/a",
        "json://secretword@2130706433@example.com/a",
        "nctalk://secretword\\@127.0.0.1@example.com/a",
        "json://10.0.0.1\\@example.com/secretword",
    ],
)
def test_all_else_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not|needs") as raised:
        checked_recipient(Channel.CHAT, url)
    assert "secretword" not in str(raised.value)
    assert "passwd" not in str(raised.value)


def test_no_service_is_both() -> None:
    assert not HOSTED & SELF_HOSTED

"""The form of API keys: what a slip of the hand makes of one is found without a look-up."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.domain.api_key import ApiKey, is_well_formed, mode_of, new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import KeyMode, Scope

OF_EARLIER_VERSIONS = "td_live_" + "a1B2c" * 8 + "xyz"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("mode", KeyMode)
def test_new_keys_are_well_formed_and_say_their_mode(mode: KeyMode) -> None:
    secrets = {new_secret(mode) for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert re.fullmatch(f"td_{mode}_[0-9A-Za-z]{{49}}", secret)
        assert is_well_formed(secret)
        assert mode_of(secret) is mode


def test_the_checksum_never_changes() -> None:
    """Keys are in use for years: what made them must be what checks them."""
    assert is_well_formed("td_live_" + "0" * 43 + "2nwFXg")


def test_keys_of_earlier_versions_stay_well_formed() -> None:
    assert len(OF_EARLIER_VERSIONS) == 8 + 43
    assert is_well_formed(OF_EARLIER_VERSIONS)


@given(st.data())
def test_one_wrong_character_is_always_found(data: st.DataObject) -> None:
    secret = new_secret()
    place = data.draw(st.integers(0, len(secret) - 1))
    wrong = data.draw(st.characters(codec="utf-8").filter(lambda character: character != secret[place]))
    assert not is_well_formed(secret[:place] + wrong + secret[place + 1 :])


@given(st.integers(8, 55))
def test_two_characters_swapped_are_always_found(place: int) -> None:
    secret = new_secret()
    swapped = secret[:place] + secret[place + 1] + secret[place] + secret[place + 2 :]
    assert swapped == secret or not is_well_formed(swapped)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "td_live_",
        "td_prod_" + "a" * 43,
        "td_live_" + "a" * 42,
        "td_live_" + "a" * 44,
        "td_live_" + "a" * 49,
        "td_live_" + "a" * 500,
        "td_live_" + "ä" * 43,
        OF_EARLIER_VERSIONS + "\n",
        " " + OF_EARLIER_VERSIONS,
        OF_EARLIER_VERSIONS.upper(),
        pytest.param(new_secret()[:-1], id="shorter"),
        pytest.param(new_secret() + "a", id="longer"),
        pytest.param(new_secret().replace("td_live_", "td_test_"), id="of the other mode"),
    ],
)
def test_what_cannot_be_a_key_is_not_well_formed(token: str) -> None:
    assert not is_well_formed(token)


def test_a_key_is_valid_until_it_expires_or_is_revoked() -> None:
    key = ApiKey(id=new_id(), tenant="acme", mode=KeyMode.LIVE, name="", shown="td_live_abcd", created_at=NOW)
    assert key.is_valid(NOW + timedelta(days=10_000))
    assert not key.model_copy(update={"revoked_at": NOW}).is_valid(NOW)
    expiring = key.model_copy(update={"expires_at": NOW + timedelta(seconds=1)})
    assert expiring.is_valid(NOW)
    assert not expiring.is_valid(NOW + timedelta(seconds=1))


def test_scopes_are_kept_once_each_and_in_order() -> None:
    given_scopes = (Scope.ADMIN, Scope.SEND, Scope.ADMIN)
    key = ApiKey(
        id=new_id(), tenant="acme", mode=KeyMode.LIVE, name="", shown="", created_at=NOW, scopes=given_scopes
    )
    assert key.scopes == (Scope.SEND, Scope.ADMIN)

"""Idempotency keys, the ids derived from them, and the fingerprints of what came with them."""

import json
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidings.domain.idempotency import checked_key, fingerprint_of
from tidings.domain.identifiers import id_from_key
from tidings.domain.vocabulary import KeyMode

TENANTS_AND_KEYS = st.tuples(st.text(), st.text(st.characters(min_codepoint=33, max_codepoint=126)))


@given(TENANTS_AND_KEYS, TENANTS_AND_KEYS)
@example(("ab", "c"), ("a", "bc"))
@example(("", "a"), ("a", ""))
@example(("a", "a"), ("a", "A"))
def test_each_tenant_and_key_have_an_id_of_their_own(one: tuple[str, str], other: tuple[str, str]) -> None:
    id = id_from_key(*one)
    assert (id.version, id.variant) == (8, RFC_4122)
    assert (id == id_from_key(*other)) is (one == other)


def test_the_id_of_a_key_never_changes_from_version_to_version() -> None:
    # Another derivation would send again what earlier versions have sent under a key.
    assert id_from_key("acme", "order-1042") == UUID("0678d67e-a625-851c-9707-e7d14af88219")


@given(TENANTS_AND_KEYS, TENANTS_AND_KEYS)
def test_a_test_keys_ids_are_never_those_of_live_ones(one: tuple[str, str], other: tuple[str, str]) -> None:
    id = id_from_key(*one, KeyMode.TEST)
    assert id not in (id_from_key(*one), id_from_key(*other))
    assert (id == id_from_key(*other, KeyMode.TEST)) is (one == other)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


def turned_round(document: Any) -> Any:
    """The same with the keys of each object in the opposite order."""
    if isinstance(document, dict):
        return {key: turned_round(value) for key, value in reversed(document.items())}
    return [turned_round(child) for child in document] if isinstance(document, list) else document


@given(documents)
def test_neither_whitespace_nor_the_order_of_keys_makes_another_fingerprint(document: Any) -> None:
    written = json.dumps(turned_round(document), indent=3, ensure_ascii=False)
    assert fingerprint_of(json.loads(written)) == fingerprint_of(document)


@given(documents, documents)
@example({"a": 1}, {"a": 1.0})
@example({"a": 1}, {"a": True})
@example({"a": None}, {})
@example(["a", "b"], ["b", "a"])
@example({"a": "1"}, {"a": 1})
def test_another_document_has_another_fingerprint(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint_of(one) == fingerprint_of(other)) is same


@pytest.mark.parametrize(
    "key", ["a", "!", "~", '"quoted"', "k" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324"]
)
def test_a_key_is_taken_as_it_is(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "\x00", "\x1f", "\x7f", "é", "\u2028", "k" * 256])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="must"):
        checked_key(key)

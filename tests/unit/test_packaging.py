"""What is shipped beside the code: locks, the image, the Compose file, the example settings."""

import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from tidings import providers, settings
from tidings.local.temporal_server import DYNAMIC_CONFIG

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAMS / command[0]), *command[1:]], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_the_dockerfile_is_free_of_hadolint_findings() -> None:
    linted = run("hadolint", "Dockerfile")
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_image_runs_as_another_user_than_root_and_says_how_it_fares() -> None:
    instructions = (ROOT / "Dockerfile").read_text()
    final_stage = instructions[instructions.rindex("\nFROM ") :]
    assert re.search(r"^USER (?!0\b|root\b)", final_stage, re.MULTILINE)
    assert "\nHEALTHCHECK " in final_stage
    assert "--require-hashes" in instructions


def test_the_compose_file_is_valid_by_the_compose_specification() -> None:
    checked = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_start_waits_until_what_it_needs_is_healthy_or_done(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, gate in service.get("depends_on", {}).items():
            once = str(services[needed].get("restart", "")).startswith("on-failure")
            expected = "service_completed_successfully" if once else "service_healthy"
            assert gate["condition"] == expected, (name, needed)
            assert once or "healthcheck" in services[needed], needed
    assert set(services["migrate"]["depends_on"]) == {"postgres", "temporal"}
    assert set(services["api"]["depends_on"]) == {"migrate"}
    assert set(services["worker"]["depends_on"]) == {"migrate"}


def test_compose_publishes_on_loopback_only_and_names_its_volumes(services: dict[str, Any]) -> None:
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    declared = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert used == set(declared)


def test_temporal_finds_its_dynamic_configuration(services: dict[str, Any]) -> None:
    """Its image has no such file, and the server ends at once without one. It says what ours says locally."""
    mounted = {config["target"]: config["source"] for config in services["temporal"].get("configs", [])}
    source = mounted["/etc/temporal/config/dynamicconfig/docker.yaml"]
    declared = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["configs"]
    settings_of_compose = yaml.safe_load(declared[source]["content"])
    assert {f"{key}={json.dumps(only['value'])}" for key, [only] in settings_of_compose.items()} == set(
        DYNAMIC_CONFIG
    )


def test_postgres_is_healthy_only_once_others_can_reach_it(services: dict[str, Any]) -> None:
    """While its image sets the database up, the server answers on its socket alone."""
    assert "--host=127.0.0.1" in services["postgres"]["healthcheck"]["test"]


def test_compose_runs_every_part_from_the_one_image(services: dict[str, Any]) -> None:
    ours = {name: service["command"] for name, service in services.items() if "build" in service}
    assert ours == {name: [name] for name in ("migrate", "api", "worker", "sandbox")}


def test_another_port_of_the_web_ui_is_the_one_that_links_lead_to_and_that_may_read_payloads(
    services: dict[str, Any],
) -> None:
    [published] = services["temporal-ui"]["ports"]
    page = services["api"]["environment"]["TIDINGS_TEMPORAL_UI_URL"]
    assert page == f"${{TIDINGS_TEMPORAL_UI_URL:-http://{published.removesuffix(':8080')}}}"
    [published] = services["api"]["ports"]
    endpoint = services["temporal-ui"]["environment"]["TEMPORAL_CODEC_ENDPOINT"]
    assert endpoint == f"${{TIDINGS_CODEC_ENDPOINT:-http://{published.removesuffix(':8000')}/v1/codec}}"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_pin_by_hash_and_name_no_index(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=\w)", text)
    pinned = [entry for entry in entries if "==" in entry.split("\n")[0]]
    assert pinned
    assert all("--hash=sha256:" in entry for entry in pinned)
    assert not re.search(r"https?://|--(extra-)?index|--find-links|file:", text)


def provider_settings() -> list[Any]:
    """The settings that the providers' own modules define."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(providers.__path__, "tidings.providers.")
    ]
    return [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseSettings) and kind.__module__ == module.__name__
    ]


def test_the_example_settings_name_every_setting_and_no_other() -> None:
    classes = [
        kind
        for _, kind in inspect.getmembers(settings, inspect.isclass)
        if issubclass(kind, BaseSettings) and kind is not settings.Settings
    ] + provider_settings()
    expected = {f"TIDINGS_{field.upper()}" for kind in classes for field in kind.model_fields}
    named = set(re.findall(r"^# (TIDINGS_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named == expected


def test_the_example_settings_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDINGS_")]:
        monkeypatch.delenv(name)
    example = (ROOT / ".env.example").read_text()
    file = tmp_path / "env"
    file.write_text(re.sub(r"^# (TIDINGS_\w+=)", r"\1", example, flags=re.MULTILINE))
    for kind in (
        settings.DatabaseSettings,
        settings.DeliverySettings,
        settings.ProviderSettings,
        settings.WorkerSettings,
        *provider_settings(),
    ):
        assert kind(_env_file=file) == kind(_env_file=None)

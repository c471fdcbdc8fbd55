"""chasquid, a mail server for the internet, from Debian's package: unpacked, not installed."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.cache import exclusively, peers_folder
from tests.peers.server import server_process
from tests.provider_support import certificate
from tests.support import free_port

DOMAIN = "tidings.example"
USER = f"ada@{DOMAIN}"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Chasquid:
    """Where it listens, whom it trusts, and what it has delivered."""

    folder: Path
    submission_port: int
    submission_tls_port: int
    certificate: Path

    def mailbox(self, address: str) -> str:
        """All that was delivered to this address, one mail after the other; empty if nothing was."""
        box = self.folder / "mail" / address
        return box.read_text("utf-8") if box.exists() else ""

    def accepted(self) -> int:
        """How many mails it has accepted, by its own log."""
        return (self.folder / "mail.log").read_text().count(" queued ip=")

    def connections(self) -> int:
        """How many connections have logged in, by its own log."""
        return (self.folder / "mail.log").read_text().count(" auth succeeded for ")


async def chasquid_program() -> Path:
    """The folder with the programs; skips where Debian's package cannot be had."""
    if (installed := shutil.which("chasquid")) is not None:
        return Path(installed).parent
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("chasquid is not installed, and this is no Debian to get it from")
    folder = peers_folder() / "chasquid"
    programs = folder / "usr" / "bin"
    async with exclusively(folder):
        if not (programs / "chasquid").exists():
            await _run("apt-get", "-qq", "download", "chasquid", folder=folder)
            packages = [str(package) for package in folder.glob("chasquid_*.deb")]
            await _run("dpkg", "-x", packages[0], str(folder), folder=folder)
    return programs


async def _run(*command: str, folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        pytest.skip(f"{' '.join(command)}: {output.decode('utf-8', 'replace')[-300:]}")


@asynccontextmanager
async def running_chasquid(folder: Path) -> AsyncIterator[Chasquid]:
    """Serves one domain with one user; mail to the user ends in a file. Speaks TLS, as `127.0.0.1`."""
    programs = await chasquid_program()
    configuration = folder / "etc"
    certificates = configuration / "certs" / "127.0.0.1"
    for needed in (certificates, configuration / "domains" / DOMAIN, folder / "mail"):
        needed.mkdir(parents=True)
    _, file = certificate(certificates)
    os.rename(certificates / "key.pem", certificates / "privkey.pem")
    file = file.rename(certificates / "fullchain.pem")
    ports = [free_port() for _ in range(3)]
    (configuration / "chasquid.conf").write_text(
        f"""hostname: "127.0.0.1"
smtp_address: "127.0.0.1:{ports[0]}"
submission_address: "127.0.0.1:{ports[1]}"
submission_over_tls_address: "127.0.0.1:{ports[2]}"
mail_delivery_agent_bin: "{shutil.which("tee")}"
mail_delivery_agent_args: "-a"
mail_delivery_agent_args: "{folder}/mail/%to_user%@%to_domain%"
data_dir: "{folder}/data"
mail_log_path: "{folder}/mail.log"
"""
    )
    adding = (programs / "chasquid-util", f"-C={configuration}", "user-add", USER, f"--password={PASSWORD}")
    await _run(*map(str, adding), folder=folder)
    command = (programs / "chasquid", f"-config_dir={configuration}")
    async with server_process(*command, port=ports[2], log=folder / "output.log"):
        yield Chasquid(folder, ports[1], ports[2], file)

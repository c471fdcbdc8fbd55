"""The package that docs/adding-a-provider.md shows, built from that page; and broken ones."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "adding-a-provider.md"


def written(folder: Path) -> Path:
    """The document's files, each by the name that stands over its block."""
    blocks = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    for name, text in blocks:
        (folder / name).write_text(text)
    return folder


def installed(source: Path, site: Path) -> Path:
    """The package, built by its own build system and installed into a folder of its own."""
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    subprocess.run([*command, *offline, "--target", str(site), str(source)], check=True, capture_output=True)
    return site


def package(site: Path, distribution: str, entries: dict[str, str], **modules: str) -> Path:
    """A package without a build: its modules' texts, and the metadata that an installer leaves."""
    site.mkdir(exist_ok=True)
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
    info = site / f"{distribution.replace('-', '_')}-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
    lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[tidings.providers]\n{lines}\n")
    return site

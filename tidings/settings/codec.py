"""What payloads in Temporal are sealed with."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from tidings.settings.base import Settings


class CodecSettings(Settings):
    """What payloads in Temporal are sealed with. The keys are read by `tidings.temporal.encryption.keys`."""

    codec: Literal["on", "off"] = "on"
    """`off`: nothing more is sealed, and Temporal keeps everything in clear. Keys still open what was."""
    codec_keys: SecretStr | None = None
    """`id:base64 of 32 bytes`, separated by commas or spaces. The first seals, all open."""
    codec_keys_file: Path | None = None
    """A file with the same, a line each: for a mounted secret."""

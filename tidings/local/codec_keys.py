"""The keys that a local system's payloads are sealed with: the user's own, or one made at the first start."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tidings.local.data_folder import DataFolder
from tidings.settings import CodecSettings
from tidings.temporal.encryption.keys import Keyring, keyring, new_key, written

_FILE = "codec_keys"


@dataclass(frozen=True, slots=True)
class LocalCodec:
    """What the parts of a local system, and the commands beside it, seal with."""

    mode: str
    """`on` or `off`, as `TIDINGS_CODEC`."""
    keys: str
    """As `TIDINGS_CODEC_KEYS`."""
    is_the_users: bool
    """Set by the user: it reaches every part by itself."""

    @classmethod
    def of(cls, folder: DataFolder) -> "LocalCodec":
        """The user's keys if there are any, else the key kept in the folder, made if there is none.

        Switched off, none is made, and one from before still opens what it sealed. Raises SetupError for keys
        that cannot be read.
        """
        settings = CodecSettings.load()
        if settings.codec_keys is not None or settings.codec_keys_file is not None:
            return cls(settings.codec, written(keyring(settings).keys), is_the_users=True)
        kept = folder.secret(_FILE)
        if kept is None and settings.codec == "off":
            return cls("off", "", is_the_users=True)
        if kept is None:
            kept = str(new_key(now=datetime.now(UTC)))
            folder.keep_secret(_FILE, kept)
        keys = Keyring.parse(kept, setting=str(folder.path / _FILE))
        return cls(settings.codec, written(keys.keys), is_the_users=False)

    def environment(self) -> Mapping[str, str]:
        """What the parts are given."""
        return {} if self.is_the_users else {"TIDINGS_CODEC": self.mode, "TIDINGS_CODEC_KEYS": self.keys}

"""The keys of the tests' processes and connections: payloads are sealed unless a test says otherwise."""

from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Key, Keyring

KEY = Key("tests", bytes(range(32)))
OTHER_KEY = Key("other", bytes(range(32, 64)))
CODEC_KEYS = str(KEY)
CONVERTER = data_converter(Keyring((KEY,)))

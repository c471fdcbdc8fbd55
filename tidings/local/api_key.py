"""The API key that a local system gives its user, made at the first start."""

from datetime import UTC, datetime

from pydantic import PostgresDsn

from tidings.database.api_keys import ApiKeyRepository
from tidings.database.engine import create_engine
from tidings.domain.api_key import hash_of, new_secret
from tidings.domain.vocabulary import Scope
from tidings.local.data_folder import DataFolder
from tidings.settings import DatabaseSettings

TENANT = "default"
_FILE = "api_key"


async def working_key(folder: DataFolder, database_url: str) -> str:
    """The key kept in the folder if the database accepts it, else a new one, kept from now on.

    Raises StorageUnavailable.
    """
    engine = create_engine(DatabaseSettings.load(database_url=PostgresDsn(database_url)))
    try:
        keys = ApiKeyRepository(engine)
        kept = folder.secret(_FILE)
        if kept is not None:
            found = await keys.find(hash_of(kept))
            if found is not None and found.is_valid(datetime.now(UTC)):
                return kept
        # Kept first: a key in the database that nobody knows would only be rubbish.
        fresh = new_secret()
        folder.keep_secret(_FILE, fresh)
        await keys.create(TENANT, "tidings up", fresh, scopes=Scope)
        return fresh
    finally:
        await engine.dispose()

"""`python -m tidings.sandbox`: the sandbox process. SIGTERM and SIGINT stop it."""

import asyncio
import signal
import sys

import structlog

from tidings.errors import SetupError
from tidings.logging import configure
from tidings.settings import LogSettings, SandboxSettings

log = structlog.get_logger("tidings.sandbox")


async def serve(settings: SandboxSettings) -> None:
    """Serve until a signal comes."""
    try:
        from tidings.sandbox.server import Sandbox
    except ModuleNotFoundError as error:
        raise SetupError(f"The sandbox needs {error.name}: pip install 'tidings[sandbox]'.") from error
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Sandbox(settings) as sandbox:
        log.info("sandbox_ready", inbox=sandbox.url, smtp_port=settings.sandbox_smtp_port)
        await stop.wait()


def main() -> int:
    """Exit status: 0 after a signal, 1 if the sandbox cannot start."""
    try:
        configure(LogSettings.load())
        asyncio.run(serve(SandboxSettings.load()))
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

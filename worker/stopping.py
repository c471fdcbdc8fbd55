"""A worker that was told to stop does end."""

import threading

import structlog

from tidings.process import end

log = structlog.get_logger("worker")

SPARE_SECONDS = 5.0
"""How long a worker may take to end when no send is under way any more."""


def end_within(seconds: float, status: int) -> None:
    """End this process with that exit status after so many seconds, if it has not ended by then.

    The SDK can wait for ever: for polls of a Temporal that no longer answers (sdk-rust issue 1297), or for
    tasks that its core has lost track of (sdk-python pull request 1837). What is left undone, Temporal hands
    out again.
    """

    def cut_short() -> None:
        log.warning("worker_stop_cut_short", after_seconds=seconds)
        end(status)

    timer = threading.Timer(seconds, cut_short)
    timer.daemon = True
    timer.start()

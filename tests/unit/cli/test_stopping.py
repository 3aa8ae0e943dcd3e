"""A command that runs until it is stopped ends on a signal, whichever of its threads the system gives it to."""

from __future__ import annotations

import signal
import subprocess
import sys

SCRIPT = """
import signal, threading, time
from bascule.cli.output import stopping

with stopping() as stop:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # from now on the other thread gets it
    print("waiting", flush=True)
    stop.wait()
print("ended", flush=True)
"""


def test_a_signal_that_another_thread_gets_ends_the_wait_of_the_main_one() -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == "ended\n"
    finally:
        process.kill()

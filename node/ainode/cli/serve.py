"""``ainode serve``: the node itself."""

import gc
import os
import signal
import sys
import threading
import warnings

import pydicom.config

from ainode.cli.journal import SettingsOption
from ainode.settings import load_settings

_SWITCH_S = 0.0005
"""A thread that receives waits so long, at most, for another that computes: Python's 5 ms are several images."""
_COLLECTIONS = (20_000, 5, 5)
"""How many new objects it takes to look for dead cycles among the young ones, which stops all threads, and how many
looks to do so among older ones. With Python's (700, 10, 10) eight studies of 155 images took 966 looks, six of them
through everything, for 0.17 s each."""


def serve(settings: SettingsOption = None) -> None:
    """Run the node until SIGTERM or Ctrl-C; it may be stopped at any time, and goes on where it was."""
    from ainode.app import App  # the other commands need not wait for DBOS and pynetdicom
    from ainode.logs import configure_logs

    loaded = load_settings(settings, os.environ)
    # pydicom quotes malformed values in its warnings, and they may be a patient's.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    warnings.filterwarnings("ignore", module="pydicom")
    sys.setswitchinterval(_SWITCH_S)
    configure_logs(level=loaded.log.level, form=loaded.log.format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    node = App(loaded)
    node.start()
    # What lives as long as the node is not looked through again: that took 0.2 s, in the middle of a study.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
    stop.wait()
    node.stop()
    sys.stdout.flush()
    os._exit(0)  # a run under way is not waited for: the next start goes on with it

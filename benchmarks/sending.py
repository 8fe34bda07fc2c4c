"""dcmtk's storescu as the sender of every measurement."""

import subprocess
import time
from pathlib import Path

from receivers import ENVIRONMENT, Receiver


def send(folders: list[Path], receiver: Receiver) -> float:
    """Wall-clock seconds until every storescu, one for each folder and all at once, has its last answer."""
    target = ["-aec", receiver.ae_title, "127.0.0.1", str(receiver.port)]
    began = time.perf_counter()
    senders = [
        subprocess.Popen(
            ["/usr/bin/storescu", "--max-send-pdu", "131072", *target, "+sd", "+r", str(folder)], env=ENVIRONMENT
        )
        for folder in folders
    ]
    ended = [sender.wait() for sender in senders]
    if any(ended):
        raise RuntimeError(f"storescu could not send everything to {receiver.ae_title}")
    return time.perf_counter() - began

"""Receivers whose index is not empty: the node and Orthanc with very many instances each."""

from contextlib import ExitStack
from pathlib import Path

from receivers import Index, Start, node, orthanc
from sending import send
from small_objects import write_small_objects

FULL: dict[str, Start] = {"node": node, "orthanc": orthanc}


def fill(name: str, work: Path, count: int) -> Path:
    """Folder of a receiver that holds ``count`` instances, by C-STORE; made once and used again."""
    folder = work / f"full-{name}-{count}"
    stamp = folder / "complete"
    if stamp.is_file():
        return folder
    with ExitStack() as stack:
        receiver = FULL[name](folder, stack)
        for part in write_small_objects(work / "small", count):
            send([part], receiver)
        if name == "node":
            Index(folder).wait_for(count)
    stamp.touch()
    return folder

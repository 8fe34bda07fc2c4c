"""Two nodes in one folder would take each other's half-written files and runs: the second is refused."""

import subprocess
import sys
from pathlib import Path

from ainode.folder_lock import FolderLock
from ainode.receive.spool import Spool
from peers.orthanc import free_port


def test_a_second_node_in_the_same_folder_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    settings = tmp_path / "ainode.toml"
    settings.write_text(f'[node]\nfolder = "state"\n[dicom]\nport = {free_port()}\n[web]\nport = {free_port()}\n')
    arriving = Spool(tmp_path / "state" / "spool").incoming / "half.part"
    arriving.write_bytes(b"half")
    first = FolderLock(tmp_path / "state")
    first.take()
    command = [sys.executable, "-m", "ainode", "serve", "--settings", str(settings)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2, second.stdout
    assert f"another node works in {tmp_path / 'state'}: end it" in second.stderr
    assert arriving.exists()
    first.free()
    again = FolderLock(tmp_path / "state")
    again.take()
    again.free()

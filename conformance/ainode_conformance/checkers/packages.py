"""Programs of others that come from npm, in the versions of ``npm/package.json``; put into ``build/`` once."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ainode_models.errors import PeerError

SCRIPTS = Path(__file__).with_name("npm")
"""Our scripts for Node.js, and the list of what they need."""
_LIST = SCRIPTS / "package.json"


@dataclass(frozen=True)
class Packages:
    """The folder that they are in, below ``build``."""

    build: Path

    @property
    def folder(self) -> Path:
        """One for each list of versions."""
        return self.build / f"npm-{hashlib.sha256(_LIST.read_bytes()).hexdigest()[:12]}"

    def missing(self) -> str | None:
        """Why they are not there, though npm was asked for them."""
        if not shutil.which("node") or not shutil.which("npm"):
            return "install Node.js 20 and npm"
        if (self.folder / "ready").is_file():
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in SCRIPTS.iterdir():
            shutil.copy(file, self.folder)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        try:
            subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as exc:
            return f"npm could not get the packages of {_LIST.name}: {type(exc).__name__}"
        (self.folder / "ready").touch()
        return None

    def version(self, name: str) -> str:
        """The one that is asked for, which is exact."""
        wanted: dict[str, str] = json.loads(_LIST.read_text(encoding="utf-8"))["dependencies"]
        return wanted[name]

    def run(self, script: str, jobs: list[Any]) -> list[Any]:
        """What ``script`` answers to each job."""
        shutil.copy(SCRIPTS / script, self.folder)  # it may be newer than the packages
        with TemporaryDirectory() as folder:
            answers = Path(folder) / "answers.json"
            done = subprocess.run(
                ["node", "--max-old-space-size=1024", script, answers],
                cwd=self.folder,
                input=json.dumps(jobs),
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            if done.returncode or not answers.is_file():
                raise PeerError(f"{script} ended with {done.returncode}: {done.stderr[-2000:]}")
            result: list[Any] = json.loads(answers.read_text(encoding="utf-8"))
        return result

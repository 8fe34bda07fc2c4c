"""`check_package` in a process of its own: ``python -m ainode_models.check_process FOLDER DEVICE``.

The libraries of the models stay out of the caller's process, and a crash of theirs is an answer like any other.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ainode_models.errors import AinodeError, PackageError, error_of, kind_of
from ainode_models.package import ModelPackage
from ainode_models.package_check import Report, check_package

TIMEOUT = 1800.0
"""Seconds after which a check is given up."""
_LAST_WORDS = 400
"""Characters of a crashed check's standard error that are shown."""


def check_apart(folder: Path, device: str, *, timeout: float = TIMEOUT) -> Report:
    """`check_package` of the package in ``folder``; raises what it raises, and `PackageError` when it crashes."""
    command = [sys.executable, "-m", "ainode_models.check_process", str(folder), device]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise PackageError(
            f"{folder}: gave no answer in {timeout:g} s; try a smaller sample or another device"
        ) from exc
    if done.returncode:
        raise PackageError(
            f"{folder}: the check ended with exit code {done.returncode} (-9 is often a lack of memory): "
            f"{done.stderr.strip()[-_LAST_WORDS:]}"
        )
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise error_of(answer["error"], answer["message"])
    return Report(**{**answer, "remarks": tuple(answer["remarks"])})


def main() -> None:
    """Check, and print the report or the error as JSON; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder, device = sys.argv[1:]
    try:
        answer = asdict(check_package(ModelPackage.open(Path(folder)), device))
    except AinodeError as error:
        answer = {"error": kind_of(error), "message": str(error)}
    with answers:
        json.dump(answer, answers)


if __name__ == "__main__":
    main()

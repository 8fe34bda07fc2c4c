"""Models: packages, runtimes, and the findings that they yield."""

import sys

# OpenVINO tells its maker over the internet of each import and conversion unless this package is missing, and forks the
# importing process to do so. A fork that hangs holds that process's pipes open when it dies: nobody hears that it did.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as Python's import system has it

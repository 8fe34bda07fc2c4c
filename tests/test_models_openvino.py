"""OpenVINO is a guest in the model's process: it calls nobody from there."""

import subprocess
import sys

_IMPORT = """
import ainode_models.nnunet.openvino_engine
import openvino.tools.ovc, sys
print(type(openvino.tools.ovc.telemetry).__module__, sys.modules["openvino_telemetry"])
"""


def test_importing_it_tells_its_maker_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"], done.stdout + done.stderr

"""The REST interface of the whole node: it answers for its jobs after a crash."""

from pathlib import Path

import httpx

from peers.head_study import head_phantom
from peers.nifti_files import write_nifti
from peers.node import NodeServer
from peers.orthanc import OrthancServer


def test_a_node_serves_it_where_it_is_enabled_and_knows_its_jobs_after_a_crash(tmp_path: Path) -> None:
    absent = OrthancServer(tmp_path / "orthanc")  # not started: nothing here goes to an archive
    heads = [write_nifti(tmp_path / f"{seed}.nii.gz", head_phantom(seed).volumes["T1"]) for seed in range(20, 24)]
    with NodeServer(tmp_path / "node", absent, more="[api]\nenabled = true\n") as node:
        url = f"{node.url}/api/v1"
        assert "t1-head-demo" in httpx.get(f"{url}/models", trust_env=False).text
        sent = [("image", (path.name, path.read_bytes())) for path in heads]
        answer = httpx.post(f"{url}/predict/t1-head-demo/batch?async=true", files=sent, trust_env=False, timeout=60)
        node.kill()
        assert answer.status_code == 202
        node.start()
        job = httpx.get(answer.json()["links"]["self"], trust_env=False).json()
        assert (job["state"], job["result"]) == ("failed", None)
        assert "stopped before the job was done" in job["reason"]
        uploads = tmp_path / "node" / "state" / "api" / "uploads"
        node.wait(lambda: not list(uploads.iterdir()), "end of what was sent")
        key = node.ainode("keys", "add", "first").stdout.strip()
        assert httpx.get(f"{url}/models", trust_env=False).status_code == 401
        assert httpx.get(f"{url}/models", trust_env=False, headers={"x-api-key": key}).status_code == 200
        assert key not in node.log.read_text()

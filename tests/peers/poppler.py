"""poppler's readers of PDF."""

import subprocess


def said(program: str, *options: str, pdf: bytes) -> str:
    """What ``pdfinfo``, ``pdffonts`` or ``pdftotext`` say of ``pdf``, without a complaint."""
    done = subprocess.run([f"/usr/bin/{program}", *options], input=pdf, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


def text_of(pdf: bytes) -> str:
    """All text, on one line."""
    return " ".join(said("pdftotext", "-layout", "-", "-", pdf=pdf).split())

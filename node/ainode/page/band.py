"""The band across the page that says how the run ended: by words, colour, pattern and sign."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ainode.page.paper import BLACK, INNER, MARGIN, WHITE, Colour, Paper, line_height
from ainode.page.wording import HEADLINES, MEANINGS, NOT_NEGATIVE, Verdict

_SIGN = 24.0
"""Width of the place of the sign."""
_LARGE, _MIDDLE, _SMALL = 15.0, 12.0, 8.5


@dataclass(frozen=True)
class _Look:
    """How a band looks; none is green, which would say that all is well, and each also differs in black and white."""

    fill: Colour
    text: Colour
    sign: str
    edge: Colour | None = None
    stripes: Colour | None = None


_LOOKS: Mapping[Verdict, _Look] = MappingProxyType(
    {
        Verdict.FINDINGS: _Look((18, 58, 115), WHITE, "▲"),
        Verdict.NOTHING: _Look((243, 244, 246), BLACK, "○", edge=(90, 90, 90)),
        Verdict.UNDECIDED: _Look((255, 224, 130), BLACK, "?", edge=(150, 100, 0)),
        Verdict.REFUSED: _Look((255, 255, 255), BLACK, "⊘", edge=BLACK, stripes=(240, 140, 0)),
        Verdict.FAILED: _Look((176, 0, 32), WHITE, "✖", edge=BLACK, stripes=(90, 0, 16)),
    }
)


def band(paper: Paper, verdict: Verdict, y: float) -> float:
    """Draw it from ``y`` down; gives its lower end."""
    look, headline, meaning = _LOOKS[verdict], HEADLINES[verdict], MEANINGS[verdict]
    silent = verdict in (Verdict.REFUSED, Verdict.FAILED)
    width = INNER - _SIGN - 4
    texts = [
        ([headline.en], _LARGE, True),
        *([([NOT_NEGATIVE.en], _LARGE, True)] if silent else []),
        ([headline.es], _MIDDLE, True),
        *([([NOT_NEGATIVE.es], _MIDDLE, True)] if silent else []),
        (paper.fitting(meaning.en, width, size=_SMALL, lines=2), _SMALL, False),
        (paper.fitting(meaning.es, width, size=_SMALL, lines=2), _SMALL, False),
    ]
    height = sum(len(lines) * line_height(size) for lines, size, _ in texts) + 7
    _frame(paper, look, y, height)
    top = y + 3
    for lines, size, bold in texts:
        top = paper.write(MARGIN + _SIGN, top, lines, size=size, bold=bold, colour=look.text)
    return y + height


def _frame(paper: Paper, look: _Look, y: float, height: float) -> None:
    paper.box(MARGIN, y, INNER, height, fill=look.fill)
    if look.stripes is not None:
        paper.stripes(MARGIN, y, _SIGN - 4, height, colour=look.stripes)
        paper.box(MARGIN + 3, y + height / 2 - 7, _SIGN - 10, 14, fill=look.fill)
    if look.edge is not None:
        paper.box(MARGIN, y, INNER, height, edge=look.edge)
    middle = MARGIN + (_SIGN - 4) / 2
    paper.write(middle, y + height / 2 - 6, look.sign, size=32, bold=False, colour=look.text, align=0.5)

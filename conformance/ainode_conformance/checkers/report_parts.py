"""A report for a checker that holds all measurement groups of a report against one template."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ainode_conformance.content import ContentItem, content_tree
from ainode_conformance.report_templates import GROUP, IMAGING_MEASUREMENTS
from ainode_conformance.templates import group_template

_PLACE = re.compile(r"\b1\.(\d+)\.(\d+)(?=[.\d]*: /?[A-Z])")
"""Container and item as PixelMed numbers them, before its path or its value type."""


@dataclass(frozen=True)
class ReportPart:
    """A report with the groups of one template alone; everything else is in every part."""

    report: Dataset
    kept: Mapping[int, Sequence[int]]
    """By the position of each container of groups, from 1: the positions that its items had before."""

    def in_whole(self, text: str) -> str:
        """``text`` about the part, with the places of the items in the whole report."""
        return _PLACE.sub(self._moved, text)

    def _moved(self, match: re.Match[str]) -> str:
        container, position = int(match[1]), int(match[2])
        kept = self.kept.get(container)
        return f"1.{container}.{kept[position - 1]}" if kept else match[0]


def report_parts(report: Dataset) -> Iterator[ReportPart]:
    """One part for each template that the groups follow; the report as it is where there are no groups."""
    groups = {item.path: group_template(item) for item in _groups(content_tree(report))}
    for template in sorted(set(groups.values()) or {""}):
        dropped: dict[int, set[int]] = defaultdict(set)
        for (_, container, position), follows in groups.items():
            if follows != template:
                dropped[container].add(position)
        yield _without(report, dropped)


def _groups(root: ContentItem) -> Iterator[ContentItem]:
    for container in root.named(IMAGING_MEASUREMENTS):
        if not container.by_reference:
            yield from (item for item in container.named(GROUP) if not item.by_reference)


def _without(report: Dataset, dropped: Mapping[int, set[int]]) -> ReportPart:
    part, kept = deepcopy(report), {}
    for container, positions in dropped.items():
        items = part.ContentSequence[container - 1]
        before = list(enumerate(items.ContentSequence, start=1))
        kept[container] = [position for position, _ in before if position not in positions]
        items.ContentSequence = [item for position, item in before if position not in positions]
    return ReportPart(part, kept)

"""A node under load, and the comparison of what it promised with what it has."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zlib import crc32

import numpy as np

from ainode.measurement import Row
from receive_faults.evidence import Evidence, Loss
from receive_faults.ledger import Ledger
from receive_faults.load import Load
from receive_faults.served_node import ServedNode

TAKES_AGAIN = 60.0
"""Seconds in which a node must take objects again after whatever was done to it."""
SETTLES = 30.0
"""Seconds without another object in which some more of what it took must be in its journal, until all is."""


@dataclass(frozen=True)
class Outcome:
    """What one fault did."""

    fault: str
    acknowledged: int
    lost: tuple[Loss, ...]
    stuck: tuple[str, ...]
    refusals: Counter[int]
    """How often each status other than ``Success`` was heard."""
    orphans: int
    """Files of the spool without a row in the journal."""
    kills: int
    """Times that the node was killed under load."""
    settle_seconds: float
    """From the last object until all was in the journal, at the longest."""
    more: tuple[Row, ...]
    """What else was measured."""


class Stand:
    """A fresh node with senders, from the start of the block to its end."""

    def __init__(
        self,
        fault: str,
        folder: Path,
        *,
        seed: int,
        senders: int = 4,
        silence: float = 60.0,
        journal: Path | None = None,
        least_free: int = 0,
        torn: bool = False,
    ) -> None:
        self.fault = fault
        self.random = np.random.default_rng([seed, crc32(fault.encode())])
        self.node = ServedNode(folder, silence=silence, journal=journal, least_free=least_free)
        self.ledger = Ledger()
        self.load = Load(self.node.port, self.ledger, senders=senders, seed=(seed, crc32(fault.encode())))
        self.starts: list[float] = []
        self._evidence = Evidence(self.node.journal, self.node.spool, torn=torn)
        self._examined = 0
        self._lost: dict[str, Loss] = {}
        self._stuck: list[str] = []
        self._settled: list[float] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.callback(self.node.kill)
        self.start()
        self._open.enter_context(self.load)
        self.must_take_objects("after the first start")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def linger(self, longest: float) -> None:
        """Let a random time pass, most of them short."""
        time.sleep(min(longest, float(self.random.exponential(longest / 4))))

    def start(self) -> None:
        """Start the node, which must begin with nothing half-received."""
        halves = self.node.halves()
        seconds = self.node.start()
        if seconds is None:
            self.stuck(f"the node did not start: {self.node.tail()}")
            return
        self.starts.append(seconds)
        left = halves & self.node.halves()
        if left:
            self.stuck(f"{len(left)} half-received files are still there after a start")

    def stuck(self, text: str) -> None:
        """Write down what does not come to its end."""
        self._stuck.append(text)

    def must_take_objects(self, when: str, *, more: int = 1) -> None:
        """Wait until ``more`` objects are acknowledged, or write down that the node is stuck."""
        if not self.ledger.wait_for_success(more, seconds=TAKES_AGAIN):
            self.stuck(f"nothing is acknowledged for {TAKES_AGAIN:g} s {when}: {self.node.tail()}")

    def must_be_alive(self) -> None:
        """Write down that the node has ended by itself, if it has."""
        if not self.node.alive:
            self.stuck(f"the node has ended by itself: {self.node.tail()}")

    def examine(self, *, whole: bool = False) -> None:
        """Hold the senders, and compare what was acknowledged since the last time, or ever, with what is there."""
        self.load.hold()
        self._settle()
        promised = list(self.ledger.acknowledged.items())
        news = promised if whole else promised[self._examined :]
        self._examined = len(promised)
        for loss in (*self._evidence.losses(dict(news)), *self._evidence.kept(self.ledger.partial)):
            self._lost[loss.uid] = loss

    def _settle(self) -> None:
        began = changed = time.monotonic()
        waits = self._evidence.unsettled()
        while waits and time.monotonic() - changed < SETTLES:
            time.sleep(0.1)
            before, waits = waits, self._evidence.unsettled()
            if waits != before:
                changed = time.monotonic()
        self._settled.append(time.monotonic() - began)
        for text in waits:
            self.stuck(f"{text}, and do so for {SETTLES:g} s, while nothing else comes")

    def resume(self) -> None:
        """Let the senders go on after ``examine``."""
        self.load.resume()

    def outcome(self, *more: Row) -> Outcome:
        """All that was found, after a last look at everything."""
        self.must_be_alive()
        self.examine(whole=True)
        return Outcome(
            fault=self.fault,
            acknowledged=len(self.ledger.acknowledged),
            lost=tuple(self._lost.values()),
            stuck=(*self._stuck, *self.ledger.complaints),
            refusals=self.ledger.refusals,
            orphans=self._evidence.orphans(),
            kills=self.node.kills,
            settle_seconds=round(max(self._settled), 2),
            more=more,
        )

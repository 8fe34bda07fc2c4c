"""So many requests a minute for each caller: a token bucket."""

import math
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_MOST_BUCKETS = 10_000


@dataclass(frozen=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A bucket for each caller holds one minute's requests and fills steadily; thread-safe."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._size = float(per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, _Bucket] = {}

    def take(self, caller: Hashable) -> int | None:
        """None when the caller may go on, else the seconds, one at least, after which it may."""
        if not self._size:
            return None
        with self._lock:
            now = self._clock()
            tokens = self._tokens(caller, now)
            self._make_room(now)
            if tokens >= 1:
                self._buckets[caller] = _Bucket(tokens - 1, now)
                return None
            self._buckets[caller] = _Bucket(tokens, now)
            return max(1, math.ceil((1 - tokens) * 60 / self._size))

    def _tokens(self, caller: Hashable, now: float) -> float:
        bucket = self._buckets.get(caller)
        if bucket is None:
            return self._size
        return min(self._size, bucket.tokens + max(0.0, now - bucket.filled_at) * self._size / 60)

    def _make_room(self, now: float) -> None:
        """Forget callers whose bucket is full again; those who ask so seldom are as good as new."""
        if len(self._buckets) >= _MOST_BUCKETS:
            kept = {
                caller: bucket for caller, bucket in self._buckets.items() if self._tokens(caller, now) < self._size
            }
            newest = sorted(kept, key=lambda caller: kept[caller].filled_at)[-_MOST_BUCKETS // 2 :]
            self._buckets = {caller: kept[caller] for caller in newest}

"""Metrics with upstream's names, kept in plain dicts and written in Prometheus' text form.

Counting on a hot path costs one dict update; the text is made only when somebody asks.
"""

import resource
import time
from bisect import bisect_left
from pathlib import Path

_Labels = tuple[str, ...]
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metric:
    """One metric; made through a `Registry`."""

    kind = "untyped"

    def __init__(self, name: str, text: str, labels: _Labels) -> None:
        self.name, self.text, self.labels = name, text, labels

    def lines(self) -> list[str]:
        """The samples."""
        raise NotImplementedError

    def _sample(self, values: _Labels, number: float, suffix: str = "", extra: str = "") -> str:
        pairs = [f'{label}="{_escaped(value)}"' for label, value in zip(self.labels, values, strict=True)]
        if extra:
            pairs.append(extra)
        shown = "{" + ",".join(pairs) + "}" if pairs else ""
        return (
            f"{self.name}{suffix}{shown} {number:g}" if abs(number) < 1e6 else f"{self.name}{suffix}{shown} {number!r}"
        )


class Counter(Metric):
    """Goes up."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: _Labels) -> None:
        super().__init__(name, text, labels)
        self.values: dict[_Labels, float] = {}

    def inc(self, *labels: str, by: float = 1) -> None:
        """Count one more."""
        self.values[labels] = self.values.get(labels, 0) + by

    def lines(self) -> list[str]:
        """The samples."""
        return [self._sample(labels, number) for labels, number in self.values.items()]


class Gauge(Counter):
    """Goes up and down."""

    kind = "gauge"

    def set(self, *labels: str, to: float) -> None:
        """Set the value."""
        self.values[labels] = to

    def dec(self, *labels: str) -> None:
        """One less."""
        self.inc(*labels, by=-1)


class Histogram(Metric):
    """Counts by size."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: _Labels, buckets: tuple[float, ...]) -> None:
        super().__init__(name, text, labels)
        self.buckets = buckets
        self.counts: dict[_Labels, list[int]] = {}
        self.sums: dict[_Labels, float] = {}

    def observe(self, *labels: str, value: float) -> None:
        """Count one observation."""
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self.buckets) + 1)
        counts[bisect_left(self.buckets, value)] += 1
        self.sums[labels] = self.sums.get(labels, 0.0) + value

    def lines(self) -> list[str]:
        """The samples."""
        found = []
        for labels, counts in self.counts.items():
            total = 0
            for bound, count in zip((*self.buckets, float("inf")), counts, strict=True):
                total += count
                edge = "+Inf" if bound == float("inf") else f"{bound:g}"
                found.append(self._sample(labels, total, "_bucket", f'le="{edge}"'))
            found += [self._sample(labels, self.sums[labels], "_sum"), self._sample(labels, total, "_count")]
        return found


class Registry:
    """The metrics of a program."""

    def __init__(self) -> None:
        self._metrics: list[Metric] = []
        self._started = time.time()

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Declare a counter."""
        made = Counter(name, text, labels)
        self._metrics.append(made)
        return made

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Declare a gauge."""
        made = Gauge(name, text, labels)
        self._metrics.append(made)
        return made

    def histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = DEFAULT_BUCKETS) -> Histogram:
        """Declare a histogram."""
        made = Histogram(name, text, labels, buckets)
        self._metrics.append(made)
        return made

    def exposition(self) -> bytes:
        """All metrics, and those of the process, in text format 0.0.4."""
        lines = []
        for metric in self._metrics:
            lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        lines += [
            "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.",
            "# TYPE process_cpu_seconds_total counter",
            f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:g}",
            "# HELP process_resident_memory_bytes Resident memory size in bytes.",
            "# TYPE process_resident_memory_bytes gauge",
            f"process_resident_memory_bytes {pages * resource.getpagesize()}",
            "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.",
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self._started:.2f}",
        ]
        return "\n".join(lines).encode() + b"\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""CPU use of other processes during the run: it makes all figures worse, and the tail latencies most."""

import time
from dataclasses import dataclass

import psutil

from bench.servers import Servers

_NOISY_PERCENT = 5.0


@dataclass(frozen=True, slots=True)
class Noise:
    percent: float
    """Share of all CPUs that other processes used."""

    def sentence(self) -> str:
        text = f"Other processes used {self.percent:.0f} % of the CPUs during the run"
        return (
            f"[yellow]{text}: the tail latencies are not reliable.[/]"
            if self.percent > _NOISY_PERCENT
            else f"{text}."
        )


class NoiseMeter:
    """Measures from its creation until `read`."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._others, self._since = self._used_by_others(), time.monotonic()

    def read(self) -> Noise:
        seconds = (time.monotonic() - self._since) * (psutil.cpu_count() or 1)
        return Noise(max(self._used_by_others() - self._others, 0.0) / seconds * 100)

    def _used_by_others(self) -> float:
        """CPU seconds since boot, without those of the benchmark's processes."""
        times = psutil.cpu_times()
        ours = self._servers.usage(self._servers.everything())
        return float(times.user + times.nice + times.system) - sum(used.cpu_seconds for used in ours.values())

"""What else ran on the machine meanwhile: a busy neighbour makes every figure worse, and tails most."""

import time
from dataclasses import dataclass

import psutil

from bench.servers import Servers

_LOUD_PERCENT = 5.0


@dataclass(frozen=True, slots=True)
class Noise:
    percent: float
    """Share of all CPUs that processes other than ours used."""

    def sentence(self) -> str:
        text = f"Other processes used {self.percent:.0f} % of the CPUs meanwhile"
        return f"[yellow]{text}: do not trust the tails.[/]" if self.percent > _LOUD_PERCENT else f"{text}."


class NoiseListener:
    """Listens from its making on."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._others, self._since = self._used_by_others(), time.monotonic()

    def heard(self) -> Noise:
        seconds = (time.monotonic() - self._since) * (psutil.cpu_count() or 1)
        return Noise(max(self._used_by_others() - self._others, 0.0) / seconds * 100)

    def _used_by_others(self) -> float:
        """CPU seconds since boot, less those of our own processes."""
        times = psutil.cpu_times()
        ours = self._servers.usage(self._servers.everything())
        return float(times.user + times.nice + times.system) - sum(used.cpu_seconds for used in ours.values())

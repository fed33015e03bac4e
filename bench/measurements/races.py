"""32 clients want the same slot at the same moment: one gets it, the others hear so."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from bench.effort import Effort
from bench.http_client import HttpClient
from bench.pace import closed_loop
from bench.results import Row, at_most
from bench.rig import Rig
from bench.stats import typical

CLIENTS = 32


@dataclass(slots=True)
class _Outcome:
    milliseconds: list[float] = field(default_factory=list)
    """Until the last of them had its answer, one a round."""
    unclean: int = 0
    """Answers that were neither the one 201 nor one of the 31 409s."""


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Floor and Holdfast take turns, each round on a slot of its own."""
    floor, own = _Outcome(), _Outcome()
    for _ in range(effort.race_rounds):
        slot = rig.floor_slots.take()
        await _race(rig.floor, [rig.floor_request(slot) for _ in range(CLIENTS)], floor)
        slot = rig.slots.take()
        await _race(rig.holdfast, [rig.create_request(slot) for _ in range(CLIENTS)], own)
        await rig.until_quiet()
    name = f"{CLIENTS} clients on one slot"
    total = effort.race_rounds * CLIENTS
    return [
        Row(f"{name}, all answered", "ms", typical(own.milliseconds), typical(floor.milliseconds), "bare handler"),
        Row(f"{name}, wrong answers of {total}", "", own.unclean, floor.unclean, "bare handler", at_most(0)),
    ]


async def _race(client: HttpClient, requests: list[bytes], outcome: _Outcome) -> None:
    await client.open(CLIENTS)
    samples, seconds = await closed_loop(CLIENTS, [partial(client.send, request) for request in requests])
    outcome.milliseconds.append(seconds * 1000)
    statuses = Counter(sample.result.status for sample in samples)
    outcome.unclean += abs(statuses[201] - 1) + CLIENTS - statuses[201] - statuses[409]

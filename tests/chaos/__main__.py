import argparse, asyncio, sys, tempfile
from pathlib import Path
from tests.chaos.cells import cell_named
from tests.chaos.run import run_cell
from tests.chaos.site import running_site


async def go(names, seed):
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    async with running_site() as site:
        for n in names:
            o = await run_cell(site, cell_named(n), seed, folder, print)
            from collections import Counter

            print(
                n,
                len(o.calls),
                "acked",
                sum(1 for c in o.calls if c.operation == "create" and c.successes),
                round(o.seconds),
                round(o.settled_seconds),
                Counter(v.invariant for v in o.violations),
            )
            print(Counter((c.operation, a.status, a.code or a.error) for c in o.calls for a in c.attempts))
            for v in o.violations[:15]:
                print("  ", v)
        print(folder)


asyncio.run(go(sys.argv[1:], "1"))

import asyncio, pytest
from tests.integration.api.stage import ok, make_stage
from domain.policies import Policy
@pytest.mark.parametrize("n", [2,4,6,8,12])
async def test_x(api, engine, n):
    stage = await make_stage(api, engine, Policy())
    bad = 0; worst=0
    for _ in range(15):
        booking = await stage.settled(await stage.book(), "assigned")
        answers = await asyncio.gather(*(stage.as_(("ana","owner")[i%2]).command(booking["id"], "accept") for i in range(n)))
        codes = sorted(a.status_code for a in answers)
        bad += codes != [200]+[409]*(n-1)
        worst=max(worst,*(a.elapsed.total_seconds() for a in answers))
    print("RIVALS", n, "bad", bad, "of 15; slowest", round(worst,2))

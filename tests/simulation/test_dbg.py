import random, time, resource
from bridged import app as root
from bridged.sim import world
from simulation.stage import build, staged

async def test_dbg(settings):
    made = build(1, 2, cast_members=False)
    account = next(iter(made.accounts.values()))
    rng = random.Random(1)
    world.synthetic(account, "charges", [made.clock.now - rng.randrange(700 * 86400) for _ in range(30000)])
    world.synthetic(account, "invoices", [made.clock.now - rng.randrange(700 * 86400) for _ in range(10000)])
    async with staged(settings, made) as stage:
        stage.sim.warm()
        await stage.connect()
        t=time.monotonic()
        await stage.sync()
        print("sync", time.monotonic()-t)
        t=time.monotonic(); c=time.process_time()
        r = await root.verify_mirror(stage.app, stage.connection, full=True, pace=1.0)
        n=r.total(lambda m:m.compared)
        print("\n", n, "objects", r.reads, "reads est", r.estimate, round(time.monotonic()-t,2),"s cpu(with sim)", round(time.process_time()-c,2), "complete", r.complete, "rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024)
        t=time.monotonic()
        await root.status(stage.app, stage.connection)
        print("status", round(time.monotonic()-t,3))

"""Who runs and who waits, on a real event loop."""

import asyncio
import time

import pytest

from apiserver.flowcontrol.dispatcher import Dispatcher
from apiserver.flowcontrol.priority_level import Limits

FLOW = ("s", "")


def dispatcher(**levels):
    made = Dispatcher(4, lambda seat, waited: None)
    made.configure(levels, {})
    return made


def limited(minimum, maximum, weight=1.0):
    return Limits(weight, False, minimum, minimum, maximum, 10, 20)


def test_a_level_borrows_what_is_lendable_and_no_more():
    async def run():
        made = dispatcher(a=limited(1, 4), b=limited(1, 4))
        a, b = made.levels["a"], made.levels["b"]
        mine = [made.start(a, FLOW) for _ in range(5)]
        assert [seat is not None for seat in mine] == [True, True, True, False, False]
        assert made.start(b, FLOW) is not None
        assert made.start(b, FLOW) is None
        made.end(mine[0])
        made.end(mine[0])
        assert made.start(b, FLOW) is not None
        assert made.start(b, FLOW) is None

    asyncio.run(run())


def test_a_freed_seat_goes_to_who_waits():
    async def run():
        made = dispatcher(a=limited(1, 1))
        level = made.levels["a"]
        first = made.start(level, FLOW)
        waiting = asyncio.ensure_future(made.wait(level, FLOW, 5))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        made.end(first)
        made.end(await waiting)
        assert (level.running, level.waiting) == (0, 0)

    asyncio.run(run())


def test_a_wait_has_an_end():
    async def run():
        made = dispatcher(a=limited(1, 1))
        level = made.levels["a"]
        made.start(level, FLOW)
        with pytest.raises(TimeoutError):
            await made.wait(level, FLOW, 0.01)
        waiting = asyncio.ensure_future(made.wait(level, FLOW, 5))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (level.running, level.waiting) == (1, 0)

    asyncio.run(run())


def test_a_client_that_leaves_at_the_moment_of_its_turn_takes_no_seat():
    async def run():
        made = dispatcher(a=limited(1, 1))
        level = made.levels["a"]
        first = made.start(level, FLOW)
        waiting = asyncio.ensure_future(made.wait(level, FLOW, 5))
        await asyncio.sleep(0)
        made.end(first)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.01)
        assert (level.running, level.waiting) == (0, 0)
        assert made.start(level, FLOW) is not None

    asyncio.run(run())


def busy(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_when_the_processor_is_short_levels_have_it_by_weight():
    order = []

    async def request(made, level, name):
        seat = made.start(level, FLOW) or await made.wait(level, (name, ""), 5)
        busy(0.004)
        made.end(seat)
        order.append(level.name)

    async def run():
        made = dispatcher(flood=limited(4, 4, weight=1), node=limited(1, 4, weight=4))
        made.levels["flood"].limits.flow_waiting = made.levels["flood"].limits.waiting = 100
        work = [request(made, made.levels["flood"], "x") for _ in range(30)]
        work += [request(made, made.levels["node"], "y") for _ in range(3)]
        await asyncio.gather(*work)

    asyncio.run(run())
    # In order of arrival they would be the last three of 33.
    assert max(index for index, name in enumerate(order) if name == "node") < 15


def test_a_level_that_is_gone_lets_in_who_waits():
    async def run():
        made = dispatcher(a=limited(1, 1))
        level = made.levels["a"]
        running = made.start(level, FLOW)
        waiting = asyncio.ensure_future(made.wait(level, FLOW, 5))
        await asyncio.sleep(0)
        made.configure({"b": limited(1, 1)}, {})
        made.end(await waiting)
        made.end(running)
        assert level.running == 0
        assert made.start(made.levels["b"], FLOW) is not None

    asyncio.run(run())

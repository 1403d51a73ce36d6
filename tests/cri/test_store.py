import asyncio
import pathlib

import pytest

from cri import errors
from cri.store import EXITED, Container, Store
from protocols.cri import api_pb2 as api


def container(store: Store, container_id: str, name: str = "n") -> Container:
    item = Container(
        id=container_id,
        sandbox_id="s",
        name=name,
        config=api.ContainerConfig(log_path="x"),
        directory=store.containers.path(container_id),
        runtime_handler="",
        created_at=1,
    )
    store.containers.add(item)
    item.complete = True
    store.containers.save(item)
    return item


def test_a_store_is_found_again_with_damage_left_out(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    first, second = container(store, "aa1"), container(store, "aa2")
    first.state, first.exit_code, first.groups = EXITED, 4, [1, 2]
    store.containers.save(first)
    (second.directory / "state.json").write_text("{")
    again = Store(tmp_path)
    again.load()
    found = again.containers.get("aa1")
    assert (found.state, found.exit_code, found.groups, found.config.log_path) == (EXITED, 4, [1, 2], "x")
    assert again.containers.find("aa2") is None
    assert not second.directory.exists()


def test_ids_may_be_abbreviated_while_unique(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    one = container(store, "abc1")
    container(store, "abd2")
    assert store.containers.get("abc") is one
    assert store.containers.find("ab") is None
    assert store.containers.find("") is None
    with pytest.raises(errors.NotFound, match="container"):
        store.containers.get("zz")
    store.containers.remove(one)
    assert store.containers.find("abc1") is None


def test_half_made_objects_are_hidden(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    item = container(store, "abc")
    item.complete = False
    assert store.containers.find("abc") is None
    assert len(store.containers) == 1


async def test_who_asks_for_a_name_being_made_gets_its_outcome(tmp_path: pathlib.Path) -> None:
    names = Store(tmp_path).containers.names
    assert names.job("x") is None
    with names.reserve("x") as job:
        waiter = asyncio.ensure_future(asyncio.shield(names.job("x") or job))
        job.set_result("id")
    assert await waiter == "id"

    async def fail() -> asyncio.Future[str]:
        with names.reserve("x") as job:
            waiters.append(asyncio.ensure_future(asyncio.shield(job)))
            await asyncio.sleep(0)
            raise errors.Internal("no")

    waiters: list[asyncio.Future[str]] = []
    with pytest.raises(errors.Internal):
        await fail()
    waiter = waiters[0]
    with pytest.raises(errors.Internal):
        await waiter
    assert names.job("x") is None

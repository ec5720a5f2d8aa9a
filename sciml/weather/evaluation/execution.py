"""Has blocks scored, by threads of this process or by the workers of a dask scheduler, and adds up what they give."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sciml.core.errors import UserError
from sciml.weather.evaluation.measures import Sums
from sciml.weather.evaluation.plan import Block
from sciml.weather.evaluation.scoring import Scorer
from sciml.weather.evaluation.totals import Totals

if TYPE_CHECKING:
    from distributed import Client

_ADDRESS = re.compile(r"(?:(?P<protocol>[a-z]+)://)?(?P<host>[^/:]+|\[[^]]+\]):(?P<port>[0-9]{1,5})")
# seconds in which a scheduler has to answer
_TIMEOUT_S = 20


@dataclass(frozen=True)
class Pool:
    """Who scores.

    Args:
        executor: takes the work.
        workers: how many blocks are worked on at a time.
        client: of the dask scheduler, if that is what the executor hands on to.
    """

    executor: Executor
    workers: int
    client: Client | None = None


@contextmanager
def pool(scheduler: str | None = None, threads: int = 1) -> Iterator[Pool]:
    """Threads of this process, or the workers of the scheduler at an address.

    Raises:
        UserError: no scheduler answers there, or it has no workers.
    """
    if scheduler is None:
        with ThreadPoolExecutor(threads) as executor:
            yield Pool(executor, threads)
        return
    from distributed import Client

    _check_address(scheduler)
    try:
        client = Client(scheduler, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"what answers at {scheduler} is no dask scheduler of this version: {error}.") from error
    with client:
        threads_of: dict[str, int] = client.nthreads()  # pyright: ignore[reportAssignmentType] - no coroutine here
        workers = sum(threads_of.values())
        if not workers:
            raise UserError(f"the scheduler at {scheduler} has no workers. Start some with `dask worker {scheduler}`.")
        yield Pool(client.get_executor(), workers, client)


def _check_address(scheduler: str) -> None:
    """Refuses what is no address, or one that nobody listens at: a client would try again and again."""
    match = _ADDRESS.fullmatch(scheduler)
    if not match:
        raise UserError(f"a scheduler's address is like tcp://HOST:8786, but {scheduler} is not.")
    if match["protocol"] in (None, "tcp", "tls"):
        try:
            socket.create_connection((match["host"], int(match["port"])), timeout=_TIMEOUT_S).close()
        except (OSError, OverflowError) as error:
            raise UserError(
                f"no dask scheduler answers at {scheduler}: {error}. Start one with `dask scheduler`, workers with "
                "`dask worker ADDRESS`, and give the address that it prints."
            ) from error


def run(scorer: Scorer, totals: Totals, workers: Pool, progress: Callable[[int, int], None]) -> None:
    """Scores all blocks of the scorer's plan into `totals`; `progress` is called with blocks done and blocks in all."""
    blocks = list(scorer.plan.blocks())
    # a scheduler's workers are sent the scorer once, not with every block
    shared: Any = scorer if workers.client is None else workers.client.scatter(scorer, broadcast=True, hash=False)
    running: dict[Future[Sums], Block] = {}
    waiting = iter(blocks)
    done = 0
    progress(0, len(blocks))
    try:
        while True:
            # a few more than are worked on, so that no worker waits; all at once would fill the memory with sums
            while len(running) < 2 * workers.workers and (block := next(waiting, None)) is not None:
                running[workers.executor.submit(_score, shared, block)] = block
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                block = running.pop(future)
                totals.add(block, future.result(), _maps_of(scorer, block))
                done += 1
                progress(done, len(blocks))
    finally:
        for future in running:
            future.cancel()


def _score(scorer: Scorer, block: Block) -> Sums:
    return scorer(block)


def _maps_of(scorer: Scorer, block: Block) -> slice:
    """Which of the lead times with maps are in the block: they lie one after the other."""
    numbers = scorer.map_leads[block.leads]
    here = numbers[numbers >= 0]
    return slice(int(here[0]), int(here[-1]) + 1) if len(here) else slice(0, 0)

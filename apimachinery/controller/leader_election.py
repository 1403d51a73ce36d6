"""Leader election by a Lease: of several managers of one cluster one works, and the others wait for its end.

As client-go does it: the holder renews the Lease; the others watch their own clock, not the times in the Lease, so that
clocks may differ; whoever cannot renew in time must stop before another may begin (KEP-589).
"""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import now_micro
from component.clock import Clock
from component.flags import Duration, flag
from component.logging import get_logger

_LOG = get_logger("leaderelection")
_LEASES = "leases.coordination.k8s.io"


class LeadershipLostError(Exception):
    """The Lease could not be renewed in time: another may work now."""


@dataclass(frozen=True, slots=True)
class Election:
    """What is elected for, and how.

    Attributes:
        name: The Lease's.
        namespace: The Lease's.
        identity: The candidate's; unique.
        lease_duration: Seconds that others wait after the last sign of the holder.
        renew_deadline: Seconds after which a holder that can't renew gives up.
        retry_period: Seconds between tries.
    """

    name: str
    namespace: str
    identity: str
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what would let two lead at once.

        Raises:
            ValueError: in upstream's words.
        """
        if self.lease_duration <= self.renew_deadline:
            raise ValueError("leaseDuration must be greater than renewDeadline")
        if self.renew_deadline <= self.retry_period * 1.2:
            raise ValueError("renewDeadline must be greater than retryPeriod*JitterFactor")


@dataclass(frozen=True, slots=True)
class ElectionOptions:
    """The flags of a program of which several may run; a subclass names the Lease."""

    leader_elect: bool = flag(False, help="Take a Lease before working (for several of the kind in one cluster).")
    leader_elect_lease_duration: Duration = flag(15.0, help="Time that others wait after the leader's last sign.")  # noqa: RUF009 - a dataclass field
    leader_elect_renew_deadline: Duration = flag(10.0, help="Time after which a leader that can't renew ends.")  # noqa: RUF009 - a dataclass field
    leader_elect_retry_period: Duration = flag(2.0, help="Time between tries.")  # noqa: RUF009 - a dataclass field
    leader_elect_resource_name: str = flag("", help="The Lease's name.")
    leader_elect_resource_namespace: str = flag("kube-system", help="The Lease's namespace.")

    def election(self) -> Election:
        """What these flags ask for, under a name of this process's own.

        Raises:
            ValueError: where they would let two lead at once.
        """
        return Election(
            self.leader_elect_resource_name,
            self.leader_elect_resource_namespace,
            f"{os.environ.get('HOSTNAME') or socket.gethostname()}_{uuid.uuid4()}",
            self.leader_elect_lease_duration,
            self.leader_elect_renew_deadline,
            self.leader_elect_retry_period,
        )


def claimed(spec: Obj, election: Election, now: str) -> Obj:
    """A Lease's spec when it is taken or renewed.

    Args:
        spec: The present one; empty for a new Lease.
        election: By whom.
        now: The time.
    """
    transitions = int(spec.get("leaseTransitions") or 0)
    mine = spec.get("holderIdentity") == election.identity
    return {
        **spec,
        "holderIdentity": election.identity,
        "leaseDurationSeconds": int(election.lease_duration),
        "acquireTime": spec.get("acquireTime") if mine else now,
        "renewTime": now,
        "leaseTransitions": transitions if mine or not spec else transitions + 1,
    }


def seconds_held(spec: Obj, seen_at: float, now: float) -> float:
    """For how long a Lease is still held by somebody; 0 if it may be taken.

    Args:
        spec: The Lease's.
        seen_at: When it was first seen as it is, on the clock of `now`.
        now: Monotonic seconds.
    """
    if not spec.get("holderIdentity"):
        return 0.0
    return max(0.0, seen_at + float(spec.get("leaseDurationSeconds") or 0) - now)


class LeaderElector:
    """One candidate."""

    def __init__(self, client: Client, election: Election, clock: Clock | None = None) -> None:
        self._client = client
        self._election = election
        self._clock = clock or Clock()
        self._lease: Obj = {}
        self._seen_at = 0.0
        self._renewed_at = 0.0

    @property
    def _spec(self) -> Obj:
        found: Obj = self._lease.get("spec") or {}
        return found

    async def lead(self, start: Callable[[], None]) -> None:
        """Wait for the Lease, begin the work, and keep the Lease.

        Raises:
            LeadershipLostError: when it can't be kept; work must end at once.
        """
        await self.acquire()
        start()
        await self.keep()

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        told = ""
        while not await self._try():
            holder = self._spec.get("holderIdentity") or ""
            if holder and holder != told:
                told = holder
                _LOG.info("Waiting for the leader's end", lease=self._election.name, leader=holder)
            await self._clock.sleep(self._election.retry_period)
        _LOG.info("Leading", lease=self._election.name, identity=self._election.identity)

    async def keep(self) -> None:
        """Renew the Lease for as long as it can be.

        Raises:
            LeadershipLostError: when it can't; work must end at once.
        """
        while True:
            await self._clock.sleep(self._election.retry_period)
            if await self._try():
                continue
            left = self._renewed_at + self._election.renew_deadline - self._clock.monotonic()
            if left <= 0 or self._spec.get("holderIdentity") != self._election.identity:
                raise LeadershipLostError(f"leader election lost: {self._election.namespace}/{self._election.name}")

    async def release(self) -> None:
        """Let the next one begin at once."""
        if self._spec.get("holderIdentity") != self._election.identity:
            return
        spec = {**self._spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now_micro(self._clock)}
        try:
            await self._client.update(_LEASES, {**self._lease, "spec": spec})
        except errors.APIError as error:
            _LOG.warning("The lease could not be released", lease=self._election.name, error=error)

    async def _try(self) -> bool:
        """Take or renew the Lease; whether it is ours."""
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._election.renew_deadline):
                ours = await self._take()
        except (errors.APIError, TimeoutError) as error:
            _LOG.debug("The lease was not taken", lease=self._election.name, why=error)
            return False
        if ours:
            # From before the request: the server's clock starts later, never earlier.
            self._renewed_at = begun
        return ours

    async def _take(self) -> bool:
        election, now = self._election, now_micro(self._clock)
        try:
            self._observe(await self._client.get(_LEASES, election.name, election.namespace))
        except errors.NotFound:
            meta = {"name": election.name, "namespace": election.namespace}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta}
            self._observe(await self._client.create(_LEASES, {**lease, "spec": claimed({}, election, now)}))
            return True
        held = seconds_held(self._spec, self._seen_at, self._clock.monotonic())
        if self._spec.get("holderIdentity") != election.identity and held > 0:
            return False
        self._observe(await self._client.update(_LEASES, {**self._lease, "spec": claimed(self._spec, election, now)}))
        return True

    def _observe(self, lease: Obj) -> None:
        if (lease.get("spec") or {}) != self._spec:
            self._seen_at = self._clock.monotonic()
        self._lease = lease

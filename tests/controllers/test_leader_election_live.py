"""Two controller managers of one cluster: one works, the other takes over."""

import contextlib
import os
import signal
import subprocess

import pytest

from bench.run_apiserver import ROOT
from tests.controllers.conftest import COMMAND
from tests.controllers.nodes import until

pytestmark = pytest.mark.live
LEASES = "leases.coordination.k8s.io"
# These leave the work of the shared process alone: nothing of theirs is ever asked for.
ELECT = [
    "--controllers=ttl-controller",
    "--leader-elect=true",
    "--leader-elect-resource-name=test",
    "--leader-elect-lease-duration=3s",
    "--leader-elect-renew-deadline=2500ms",
    "--leader-elect-retry-period=200ms",
]


@pytest.fixture
def candidate(control_plane):
    made = []

    def start():
        words = [*COMMAND[:3], "--secure-port=0", f"--kubeconfig={control_plane.directory}/admin.conf", *ELECT]
        log = (control_plane.directory / f"candidate{len(made)}.log").open("wb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        made.append(subprocess.Popen(words, cwd=ROOT, env=environment, stderr=log))
        return made[-1]

    yield start
    for process in made:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


async def test_the_second_takes_over_from_the_first(client, candidate):
    async def held(by_other_than=""):
        spec = (await client.get(LEASES, "test", "kube-system"))["spec"]
        holder = spec.get("holderIdentity")
        return spec if holder and holder != by_other_than else None

    first = candidate()
    one = await until(held, 60)
    second = candidate()
    # Given back: the next begins without waiting for the Lease to run out.
    first.terminate()
    assert first.wait(60) == 0
    two = await until(lambda: held(one["holderIdentity"]), 60)
    assert two["leaseTransitions"] == one["leaseTransitions"] + 1
    # Frozen: the Lease runs out, a third takes it, and the second must end when it wakes.
    candidate()
    second.send_signal(signal.SIGSTOP)
    await until(lambda: held(two["holderIdentity"]), 60)
    second.send_signal(signal.SIGCONT)
    assert second.wait(60) == 1
    assert (await held())["holderIdentity"] != two["holderIdentity"]

from cri.rpc.container_stats import add_pressure
from linux.cgroups import Pressure, Stall
from protocols.cri import api_pb2


def test_pressure_goes_where_cri_wants_it() -> None:
    target = api_pb2.ContainerStats()
    target.cpu.usage_core_nano_seconds.value = 5
    add_pressure(
        target,
        {"cpu": Pressure(Stall(1.5, 2.5, 3.5, 100)), "io": Pressure(Stall(), Stall(0.5, 0.0, 0.0, 7))},
        42,
    )
    assert target.cpu.usage_core_nano_seconds.value == 5
    some = target.cpu.psi.Some
    assert (some.Avg10, some.Avg60, some.Avg300, some.Total) == (1.5, 2.5, 3.5, 100)
    assert (target.io.timestamp, target.io.psi.Full.Total, target.io.psi.Full.Avg10) == (42, 7, 0.5)
    assert not target.memory.HasField("psi")


def test_without_pressure_nothing_is_said() -> None:
    target = api_pb2.LinuxPodSandboxStats()
    add_pressure(target, {}, 42)
    assert target == api_pb2.LinuxPodSandboxStats()

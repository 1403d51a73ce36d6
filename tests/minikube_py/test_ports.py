import os
import socket

import pytest

from minikube_py import ports
from minikube_py.reasons import Failure


def test_the_holder_of_a_taken_port_is_named():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(Failure, match=f"pid {os.getpid()}"):
            ports.demand_free(holder.getsockname()[1], "--apiserver-port")


def test_inner_ports_move_out_of_the_way():
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 10257 + 180))
        holder.listen()
        chosen = ports.choose(9)
    assert chosen.controllers != 10257 + 180
    assert len(set(vars(type(chosen))["__dataclass_fields__"])) == len(
        {getattr(chosen, f) for f in chosen.__dataclass_fields__}
    )

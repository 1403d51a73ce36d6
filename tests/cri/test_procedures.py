from cri import procedures
from protocols.cri import api_pb2


def test_the_table_has_every_rpc_of_the_api() -> None:
    services = api_pb2.DESCRIPTOR.services_by_name
    for name, table in (
        ("RuntimeService", procedures.RUNTIME_SERVICE),
        ("ImageService", procedures.IMAGE_SERVICE),
    ):
        assert set(table) == {m.name for m in services[name].methods}

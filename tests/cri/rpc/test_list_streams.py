from cri.rpc.list_streams import STREAMS, pieces
from protocols.cri import api_pb2


def test_pieces_stay_below_the_limit_and_lose_nothing() -> None:
    items = [api_pb2.Image(id="x" * size) for size in (10, 10, 50, 10, 10, 10)]
    cut = list(pieces(items, 40))
    assert [len(piece) for piece in cut] == [2, 1, 3]
    assert [item for piece in cut for item in piece] == items


def test_an_empty_list_is_an_empty_stream() -> None:
    assert list(pieces([], 40)) == []


def test_requests_of_both_kinds_have_the_same_fields() -> None:
    methods = {
        method.name: method
        for service in api_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name in STREAMS
    }
    assert methods.keys() == STREAMS.keys()
    for name, row in STREAMS.items():
        ours, theirs = methods[name].input_type.fields, row.request.DESCRIPTOR.fields  # type: ignore[attr-defined]
        assert [(f.name, f.number, f.message_type) for f in ours] == [
            (f.name, f.number, f.message_type) for f in theirs
        ]

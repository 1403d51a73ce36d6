from kubelet.server.auth import fine_grained, subject, subresource


def test_paths_belong_to_subresources():
    assert [subresource(p) for p in ("/exec/a/b/c", "/stats/summary", "/metrics/resource", "/logs/x", "/pods")] == [
        "proxy",
        "stats",
        "metrics",
        "log",
        "proxy",
    ]
    assert fine_grained("/pods") == "pods"
    assert fine_grained("/exec/x") is None


def test_the_subject_of_a_certificate():
    peer = {"subject": ((("organizationName", "system:masters"),), (("commonName", "admin"),))}
    user = subject(peer)
    assert (user.name, user.groups) == ("admin", ("system:masters", "system:authenticated"))
    assert subject({}) is None

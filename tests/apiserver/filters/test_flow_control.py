"""Priority and fairness on a running server: who is kept waiting, who is turned away, who never is."""

import asyncio
import json

import pytest

from tests.apiserver.conftest import Api, Pair, config_map, until

pytestmark = pytest.mark.live

GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
FLOODERS = 120


def names(api, resource):
    return {item["metadata"]["name"] for item in api.json("GET", f"{GROUP}/{resource}")[1]["items"]}


def condition(api, name):
    code, found = api.json("GET", f"{GROUP}/flowschemas/{name}")
    conditions = (found.get("status") or {}).get("conditions") if code == 200 else None
    return next((one for one in conditions or () if one["type"] == "Dangling"), None)


def test_upstreams_objects_are_made_and_kept(api: Api):
    until(lambda: condition(api, "catch-all"))
    assert names(api, "prioritylevelconfigurations") >= {"exempt", "catch-all", "system", "node-high", "workload-low"}
    assert names(api, "flowschemas") >= {"exempt", "probes", "system-nodes", "system-node-high", "global-default"}
    patch = {"spec": {"matchingPrecedence": 77}}
    path = f"{GROUP}/flowschemas/service-accounts"
    api.json("PATCH", path, patch, "application/merge-patch+json")
    until(lambda: api.json("GET", path)[1]["spec"]["matchingPrecedence"] == 9000)
    api.json("DELETE", path)
    until(lambda: api.json("GET", path)[0] == 200)
    mine = {"metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}}, **patch}
    api.json("PATCH", path, mine, "application/merge-patch+json")
    api.json("PATCH", f"{GROUP}/flowschemas/probes", patch, "application/merge-patch+json")
    until(lambda: api.json("GET", f"{GROUP}/flowschemas/probes")[1]["spec"]["matchingPrecedence"] == 2)
    assert api.json("GET", path)[1]["spec"]["matchingPrecedence"] == 77
    api.json("DELETE", path)


def schema(name, level, subject):
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    rules = [{"subjects": [{"kind": "User", "user": {"name": subject}}], "resourceRules": [rule]}]
    spec = {"matchingPrecedence": 50, "priorityLevelConfiguration": {"name": level}, "rules": rules}
    return {"apiVersion": GROUP[6:], "kind": "FlowSchema", "metadata": {"name": name}, "spec": spec}


def level(name, shares, response):
    limited = {"nominalConcurrencyShares": shares, "borrowingLimitPercent": 0, "limitResponse": response}
    spec = {"type": "Limited", "limited": limited}
    return {
        "apiVersion": GROUP[6:],
        "kind": "PriorityLevelConfiguration",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_answers_tell_schema_and_level_and_a_missing_level_is_told(api: Api):
    status, made = api.json("POST", f"{GROUP}/flowschemas", schema("mine", "none-such", "jane"))
    assert status == 201, made
    found = until(lambda: condition(api, "mine"))
    assert (found["status"], found["reason"]) == ("True", "NotFound")
    assert found["message"].endswith('named "none-such" but there is no such object')
    _, headers, _ = api.raw("GET", "/api/v1/pods", Impersonate_User="jane")
    assert headers["X-Kubernetes-PF-FlowSchema-UID"] != made["metadata"]["uid"]
    _, made_level = api.json("POST", f"{GROUP}/prioritylevelconfigurations", level("none-such", 10, {"type": "Reject"}))
    until(lambda: condition(api, "mine")["status"] == "False")
    status, headers, _ = api.raw("GET", "/api/v1/pods", Impersonate_User="jane")
    assert status == 403
    assert headers["X-Kubernetes-PF-FlowSchema-UID"] == made["metadata"]["uid"]
    assert headers["X-Kubernetes-PF-PriorityLevel-UID"] == made_level["metadata"]["uid"]
    assert "text/plain" in api.raw("GET", "/debug/api_priority_and_fairness/dump_priority_levels")[1]["Content-Type"]
    assert b"none-such" in api.raw("GET", "/debug/api_priority_and_fairness/dump_priority_levels")[2]
    for path in ("flowschemas/mine", "prioritylevelconfigurations/none-such"):
        api.json("DELETE", f"{GROUP}/{path}")


class Line:
    """A connection that asks the same again and again."""

    def __init__(self, api: Api, request: bytes) -> None:
        self._api, self._request = api, request
        self.answers: list[int] = []

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._api.pair.port, ssl=self._api.tls)

    async def ask(self) -> None:
        self._writer.write(self._request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        await self._reader.readexactly(length)
        self.answers.append(int(head[9:12]))

    async def for_ever(self) -> None:
        while True:
            await self.ask()

    def close(self) -> None:
        self._writer.transport.abort()


def request(method, path, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode() + body


def flood(api: Api, quiet: list[Line], flooding: bytes, rounds: int) -> tuple[int, list[int]]:
    """Ask in quiet lines while many flood; how often those were answered meanwhile, and what they got."""

    async def run() -> tuple[int, list[int]]:
        loud = [Line(api, flooding) for _ in range(FLOODERS)]
        for line in (*loud, *quiet):
            await line.open()
        tasks = [asyncio.ensure_future(line.for_ever()) for line in loud]
        while sum(len(line.answers) for line in loud) < FLOODERS:
            await asyncio.sleep(0.01)
        before = sum(len(line.answers) for line in loud)
        for _ in range(rounds):
            await asyncio.gather(*(line.ask() for line in quiet))
        meanwhile = sum(len(line.answers) for line in loud) - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in (*loud, *quiet):
            line.close()
        return meanwhile, [code for line in loud for code in line.answers]

    return asyncio.run(run())


@pytest.fixture
def flooder(api: Api):
    """A user who may do everything and is nobody special."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "flooders"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": name} for name in ("flooder", "quiet")],
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    api.json("POST", path, binding)
    yield "flooder"
    api.json("DELETE", f"{path}/flooders")


def test_a_flood_keeps_neither_nodes_nor_other_users_waiting(api: Api, pair: Pair, ns: str, flooder: str):
    api.json("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "minikube"}})
    node = Line(Api(pair, "kubelet"), request("GET", "/api/v1/nodes/minikube"))
    other = Line(api, request("GET", ns, Impersonate_User="quiet"))
    boss = Line(api, request("GET", ns))
    body = json.dumps(config_map("flood", **{f"key-{index}": "x" * 50 for index in range(300)})).encode()
    loud = request("POST", f"{ns}/configmaps?dryRun=All", body, Impersonate_User=flooder)
    rounds = 20
    meanwhile, codes = flood(api, [node, other, boss], loud, rounds)
    assert (node.answers, other.answers, boss.answers) == ([200] * rounds,) * 3
    # First come, first served, each round would be one for every flooder.
    assert meanwhile < rounds * FLOODERS / 3, meanwhile
    assert set(codes) == {201}


def test_who_is_too_many_is_turned_away(api: Api, ns: str, flooder: str):
    queuing = {"queues": 1, "handSize": 1, "queueLengthLimit": 4}
    api.json(
        "POST",
        f"{GROUP}/prioritylevelconfigurations",
        level("narrow", 1, {"type": "Queue", "queuing": queuing}),
    )
    api.json("POST", f"{GROUP}/flowschemas", schema("narrow", "narrow", flooder))
    try:
        until(lambda: condition(api, "narrow"))
        quiet = Line(api, request("GET", ns, Impersonate_User="quiet"))
        _, codes = flood(api, [quiet], request("GET", f"{ns}/configmaps", Impersonate_User=flooder), 5)
        assert set(codes) == {200, 429}
        assert quiet.answers == [200] * 5
        text = api.raw("GET", "/metrics")[2]
        mark = b'flowcontrol_rejected_requests_total{priority_level="narrow",flow_schema="narrow",reason="queue-full"}'
        assert mark in text
    finally:
        for path in ("flowschemas/narrow", "prioritylevelconfigurations/narrow"):
            api.json("DELETE", f"{GROUP}/{path}")


def test_without_fairness_there_are_two_plain_limits(tmp_path):
    flags = ("--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1")
    pair = Pair(tmp_path, *flags)
    try:
        pair.start()
        pair.wait_ready()
        api = Api(pair)
        ns = api.namespace("a")
        body = json.dumps(config_map("flood")).encode()
        assert api.json("GET", f"{GROUP}/flowschemas")[1]["items"] == []
        nobody = request("POST", f"{ns}/configmaps?dryRun=All", body, Impersonate_User="nobody")
        boss = Line(api, request("POST", f"{ns}/configmaps?dryRun=All", body))
        _, codes = flood(api, [boss], nobody, 5)
        assert boss.answers == [201] * 5
        assert set(codes) == {403, 429}
    finally:
        pair.stop()

"""Jobs and CronJobs, as a user sees them."""

from typing import Any

from e2e.cluster import Cluster, wait_for


def job(name: str, image: str, command: list[str], **spec: Any) -> dict[str, Any]:
    template = {
        "spec": {
            "restartPolicy": spec.pop("restart", "Never"),
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image, "command": command}],
        }
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def cron_job(name: str, image: str, schedule: str, **spec: Any) -> dict[str, Any]:
    template = {"spec": job("x", image, ["true"])["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }


def conditions(found: dict[str, Any]) -> dict[str, str]:
    rows = found.get("status", {}).get("conditions") or []
    return {row["type"]: row.get("reason", "") for row in rows if row["status"] == "True"}


def test_a_job_runs_to_completion_and_its_pods_go_with_it(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.kubectl("create", "job", "hello", f"--image={busybox}", *flags, "--", "echo", "done it")
    cluster.kubectl("wait", "--for=condition=complete", "job/hello", *flags, "--timeout=60s")
    assert cluster.kubectl("logs", "job/hello", *flags).stdout == "done it\n"
    found = cluster.get("job", "hello", *flags)
    assert conditions(found) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    status = found["status"]
    assert (status["succeeded"], status["uncountedTerminatedPods"], status["ready"]) == (1, {}, 0)
    assert status["completionTime"] >= status["startTime"]
    assert "Complete" in cluster.kubectl("get", "job", "hello", *flags).stdout
    assert "finalizers" not in cluster.get("pods", "-l", "job-name=hello", *flags)["items"][0]["metadata"]
    cluster.kubectl("delete", "job", "hello", *flags)
    wait_for("its pods go", lambda: not cluster.get("pods", "-l", "job-name=hello", *flags)["items"])


def test_many_completions_with_some_at_once(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.apply(job("many", busybox, ["true"], completions=5, parallelism=3), flags=flags)
    cluster.kubectl("wait", "--for=condition=complete", "job/many", *flags, "--timeout=60s")
    assert cluster.get("job", "many", *flags)["status"]["succeeded"] == 5
    assert len(cluster.get("pods", "-l", "job-name=many", *flags)["items"]) == 5


def test_an_indexed_job_tells_each_pod_its_index(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.apply(
        job(
            "indexed",
            busybox,
            ["sh", "-c", "echo $JOB_COMPLETION_INDEX $(hostname)"],
            completions=3,
            parallelism=3,
            completionMode="Indexed",
        ),
        flags=flags,
    )
    cluster.kubectl("wait", "--for=condition=complete", "job/indexed", *flags, "--timeout=60s")
    assert cluster.get("job", "indexed", *flags)["status"]["completedIndexes"] == "0-2"
    said = cluster.kubectl("logs", "-l", "job-name=indexed", *flags).stdout
    assert sorted(said.splitlines()) == ["0 indexed-0", "1 indexed-1", "2 indexed-2"]


def test_a_job_that_fails_tells_why_and_ends_its_pods(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.apply(job("limit", busybox, ["false"], backoffLimit=0), flags=flags)
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
    cluster.apply(
        job("policy", busybox, ["sh", "-c", "exit 42"], podFailurePolicy=policy),
        job("late", busybox, ["sleep", "1000"], activeDeadlineSeconds=1),
        flags=flags,
    )
    for name, reason in (
        ("limit", "BackoffLimitExceeded"),
        ("policy", "PodFailurePolicy"),
        ("late", "DeadlineExceeded"),
    ):
        cluster.kubectl("wait", "--for=condition=failed", f"job/{name}", *flags, "--timeout=60s")
        found = cluster.get("job", name, *flags)
        assert conditions(found) == {"FailureTarget": reason, "Failed": reason}
        assert found["status"]["failed"] == 1
    assert cluster.get("pods", "-l", "job-name=late", *flags)["items"] == []
    events = cluster.kubectl("get", "events", *flags).stdout
    assert "Job was active longer than specified deadline" in events


def test_a_suspended_job_waits_and_goes_on(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.apply(job("held", busybox, ["sleep", "1000"], suspend=True), flags=flags)
    wait_for("it is suspended", lambda: "Suspended" in conditions(cluster.get("job", "held", *flags)))
    assert cluster.get("pods", "-l", "job-name=held", *flags)["items"] == []

    def suspend(value: str) -> None:
        cluster.kubectl("patch", "job", "held", *flags, "-p", f'{{"spec":{{"suspend":{value}}}}}')

    suspend("false")
    wait_for("it runs", lambda: cluster.get("job", "held", *flags)["status"].get("ready"))
    suspend("true")
    wait_for("its pod goes", lambda: not cluster.get("pods", "-l", "job-name=held", *flags)["items"])
    status = cluster.get("job", "held", *flags)["status"]
    assert (status.get("failed"), status.get("startTime")) == (None, None)


def test_a_cron_job_starts_jobs_and_keeps_some(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.apply(cron_job("tick", busybox, "@every 1s", successfulJobsHistoryLimit=1), flags=flags)
    wait_for("it ran", lambda: cluster.get("cronjob", "tick", *flags)["status"].get("lastSuccessfulTime"))
    assert cluster.get("cronjob", "tick", *flags)["status"]["lastScheduleTime"]
    cluster.kubectl("patch", "cronjob", "tick", *flags, "-p", '{"spec":{"suspend":true}}')
    wait_for("one is kept", lambda: len(cluster.get("jobs", *flags)["items"]) == 1)
    cluster.kubectl("delete", "cronjob", "tick", *flags)
    wait_for("its jobs go with it", lambda: not cluster.get("jobs", *flags)["items"])


def test_a_cron_job_can_be_run_at_once(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.apply(cron_job("idle", busybox, "0 0 1 1 *", suspend=True), flags=flags)
    cluster.kubectl("create", "job", "now", "--from=cronjob/idle", *flags)
    cluster.kubectl("wait", "--for=condition=complete", "job/now", *flags, "--timeout=60s")
    cluster.kubectl("delete", "cronjob", "idle", *flags)
    wait_for("its job goes with it", lambda: not cluster.get("jobs", *flags)["items"])

"""Specs of 1.20 that no cluster of 1.36 can pass, and why."""

OUTDATED = {
    "ServiceAccounts should allow opting out of API token automount": (
        "waits for a token Secret of each ServiceAccount, which is not made since 1.24"
    ),
    "ServiceAccounts should mount an API token into pods": "the same",
    "Kubectl version should check is all data is printed": "compares with the output of kubectl 1.20",
    "Kubectl describe should check if kubectl describe prints relevant information for rc and pods": (
        "wants the kube-proxy version of a node, which kubectl does not print any more"
    ),
    r"Daemon set \[Serial\] should (not )?update pod when spec was updated": (
        "compares revisions byte by byte with templates that have creationTimestamp: null, which is no longer written"
    ),
    "EndpointSlice": "uses discovery.k8s.io/v1beta1",
    "DisruptionController": "uses policy/v1beta1",
    "CustomResourcePublishOpenAPI .* works for CRD with validation schema": (
        "wants kubectl's client-side validation messages; since 1.27 the server checks fields"
    ),
}
"""Patterns of spec names, and what changed since."""

"""The user-facing and component ClusterRoles of v1.36, as data.

A rule is one line: `verbs @ groups : resources [# resource names]`, or `verbs ! URLs`. `core` is the empty group.
Shorthands for verbs: `READ`, `WRITE`, `ALL` (READ and WRITE). `rbac_bootstrap` turns the lines into objects.
"""

from __future__ import annotations

from typing import Final

READ: Final = "get list watch"
WRITE: Final = "create delete deletecollection patch update"
VERB_SETS: Final = {"READ": READ, "WRITE": WRITE, "ALL": f"{READ} {WRITE}"}

EVENTS: Final = "create patch update @ core events.k8s.io : events"
LEASE: Final = "create @ coordination.k8s.io : leases"

_WORKLOADS = "replicationcontrollers replicationcontrollers/scale services serviceaccounts persistentvolumeclaims"
_APPS_WRITE = (
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
    "statefulsets statefulsets/scale"
)
_EXTENSIONS_WRITE = (
    "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies "
    "replicasets replicasets/scale replicationcontrollers/scale"
)
_PEM = "kubernetes.io"

# name -> rules
CLUSTER_ROLES: Final[dict[str, tuple[str, ...]]] = {
    "cluster-admin": ("* @ * : *", "* ! *"),
    "system:monitoring": (
        "get ! /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",
        "get @ core : nodes/metrics",
        "get ! /flagz",
        "get ! /statusz",
    ),
    "system:discovery": (
        "get ! /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    ),
    "system:public-info-viewer": ("get ! /healthz /livez /readyz /version /version/",),
    "system:basic-user": (
        "create @ authorization.k8s.io : selfsubjectaccessreviews selfsubjectrulesreviews",
        "create @ authentication.k8s.io : selfsubjectreviews",
    ),
    "system:aggregate-to-admin": (
        "create @ authorization.k8s.io : localsubjectaccessreviews",
        "ALL @ rbac.authorization.k8s.io : roles rolebindings",
    ),
    "system:aggregate-to-edit": (
        "READ @ core : pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy",
        "impersonate @ core : serviceaccounts",
        "WRITE @ core : pods pods/attach pods/proxy pods/exec pods/portforward",
        "create @ core : pods/eviction",
        f"WRITE @ core : {_WORKLOADS} services/proxy configmaps secrets",
        "create @ core : serviceaccounts/token",
        "WRITE @ core events.k8s.io : events",
        f"WRITE @ apps : {_APPS_WRITE}",
        "WRITE @ autoscaling : horizontalpodautoscalers",
        "WRITE @ batch : jobs cronjobs",
        f"WRITE @ extensions : {_EXTENSIONS_WRITE}",
        "WRITE @ policy : poddisruptionbudgets",
        "WRITE @ networking.k8s.io : networkpolicies ingresses",
        "ALL @ coordination.k8s.io : leases",
        "WRITE @ resource.k8s.io : resourceclaims resourceclaimtemplates",
    ),
    "system:aggregate-to-view": (
        f"READ @ core : pods {_WORKLOADS} services/status endpoints persistentvolumeclaims/status configmaps",
        "READ @ core : limitranges resourcequotas bindings pods/status resourcequotas/status "
        "namespaces/status replicationcontrollers/status pods/log",
        "READ @ core : namespaces",
        "READ @ core events.k8s.io : events",
        "READ @ discovery.k8s.io : endpointslices",
        "READ @ apps : controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets "
        "daemonsets/status deployments deployments/status deployments/scale replicasets replicasets/status "
        "replicasets/scale",
        "READ @ autoscaling : horizontalpodautoscalers horizontalpodautoscalers/status",
        "READ @ batch : jobs cronjobs cronjobs/status jobs/status",
        "READ @ extensions : daemonsets daemonsets/status deployments deployments/scale deployments/status "
        "ingresses ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale "
        "networkpolicies",
        "READ @ policy : poddisruptionbudgets poddisruptionbudgets/status",
        "READ @ networking.k8s.io : networkpolicies ingresses ingresses/status",
        "READ @ resource.k8s.io : resourceclaims resourceclaims/status resourceclaimtemplates",
    ),
    "system:heapster": ("READ @ core : events pods nodes namespaces", "READ @ extensions : deployments"),
    "system:node": (
        "create @ authentication.k8s.io : tokenreviews",
        "create @ authorization.k8s.io : subjectaccessreviews localsubjectaccessreviews",
        "READ @ core : services",
        "create get list watch @ core : nodes",
        "update patch @ core : nodes/status",
        "update patch @ core : nodes",
        "create update patch @ core events.k8s.io : events",
        "READ @ core : pods",
        "create delete @ core : pods",
        "update patch @ core : pods/status",
        "create @ core : pods/eviction",
        "READ @ core : secrets configmaps",
        "get @ core : persistentvolumeclaims persistentvolumes",
        "get @ core : endpoints",
        "create get list watch @ certificates.k8s.io : certificatesigningrequests",
        "get create update patch delete @ coordination.k8s.io : leases",
        "get @ storage.k8s.io : volumeattachments",
        "get update patch @ core : persistentvolumeclaims/status",
        "create @ core : serviceaccounts/token",
        "get watch list @ storage.k8s.io : csidrivers",
        "get create update patch delete @ storage.k8s.io : csinodes",
        "READ @ node.k8s.io : runtimeclasses",
        "get list watch @ certificates.k8s.io : clustertrustbundles",
        "get @ resource.k8s.io : resourceclaims",
        "deletecollection @ resource.k8s.io : resourceslices",
        "get @ core : serviceaccounts",
        "get create list watch @ certificates.k8s.io : podcertificaterequests",
    ),
    "system:node-problem-detector": ("get @ core : nodes", "patch @ core : nodes/status", EVENTS),
    "system:kubelet-api-admin": (
        "READ @ core : nodes",
        "proxy @ core : nodes",
        "* @ core : nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
    ),
    "system:node-bootstrapper": ("create get list watch @ certificates.k8s.io : certificatesigningrequests",),
    "system:auth-delegator": (
        "create @ authentication.k8s.io : tokenreviews",
        "create @ authorization.k8s.io : subjectaccessreviews",
    ),
    "system:kube-aggregator": ("READ @ core : services endpoints",),
    "system:kube-controller-manager": (
        EVENTS,
        LEASE,
        "get update @ coordination.k8s.io : leases # kube-controller-manager",
        "create @ core : secrets serviceaccounts",
        "delete @ core : secrets",
        "get @ core : namespaces secrets serviceaccounts configmaps",
        "update @ core : secrets serviceaccounts",
        "create @ authentication.k8s.io : tokenreviews",
        "create @ authorization.k8s.io : subjectaccessreviews",
        "list watch @ * : *",
        "create @ core : serviceaccounts/token",
    ),
    "system:kube-dns": ("list watch @ core : endpoints services",),
    "system:persistent-volume-provisioner": (
        "get list watch create delete @ core : persistentvolumes",
        "get list watch update @ core : persistentvolumeclaims",
        "READ @ storage.k8s.io : storageclasses",
        "watch @ core : events",
        EVENTS,
    ),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        "create @ certificates.k8s.io : certificatesigningrequests/nodeclient",
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        "create @ certificates.k8s.io : certificatesigningrequests/selfnodeclient",
    ),
    "system:volume-scheduler": (
        "get list watch patch update @ core : persistentvolumes",
        "READ @ storage.k8s.io : storageclasses",
        "get list watch patch update @ core : persistentvolumeclaims",
    ),
    "system:certificates.k8s.io:legacy-unknown-approver": (
        f"approve @ certificates.k8s.io : signers # {_PEM}/legacy-unknown",
    ),
    "system:certificates.k8s.io:kubelet-serving-approver": (
        f"approve @ certificates.k8s.io : signers # {_PEM}/kubelet-serving",
    ),
    "system:certificates.k8s.io:kube-apiserver-client-approver": (
        f"approve @ certificates.k8s.io : signers # {_PEM}/kube-apiserver-client",
    ),
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": (
        f"approve @ certificates.k8s.io : signers # {_PEM}/kube-apiserver-client-kubelet",
    ),
    "system:service-account-issuer-discovery": (
        "get ! /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
    ),
    "system:node-proxier": (
        "list watch @ core : services endpoints",
        "get list watch @ core : nodes",
        EVENTS,
        "list watch @ discovery.k8s.io : endpointslices",
        "list watch @ networking.k8s.io : servicecidrs",
    ),
    "system:kube-scheduler": (
        EVENTS,
        LEASE,
        "get list update watch @ coordination.k8s.io : leases # kube-scheduler",
        "ALL @ coordination.k8s.io : leasecandidates",
        "READ @ core : nodes",
        "get list watch delete @ core : pods",
        "create @ core : pods/binding bindings",
        "patch update @ core : pods/status",
        "READ @ core : services replicationcontrollers",
        "READ @ apps extensions : replicasets",
        "READ @ apps : statefulsets",
        "READ @ policy : poddisruptionbudgets",
        "READ @ core : persistentvolumeclaims persistentvolumes",
        "create @ authentication.k8s.io : tokenreviews",
        "create @ authorization.k8s.io : subjectaccessreviews",
        "READ @ storage.k8s.io : csinodes",
        "READ @ core : namespaces",
        "READ @ storage.k8s.io : csidrivers csistoragecapacities",
        "READ @ storage.k8s.io : volumeattachments",
        "READ @ resource.k8s.io : deviceclasses",
        "get list watch patch update @ resource.k8s.io : resourceclaims",
        "get list watch patch update @ resource.k8s.io : resourceclaims/status",
        "update @ core : pods/finalizers",
        "READ @ resource.k8s.io : resourceslices",
        "create delete @ resource.k8s.io : resourceclaims",
        "READ @ resource.k8s.io : devicetaintrules",
        "READ @ scheduling.k8s.io : workloads podgroups",
    ),
    # Ours, not upstream's: the proxy enforces network policies, DNS runs beside the cluster.
    "minikube-py:network-policies": (
        "READ @ networking.k8s.io : networkpolicies",
        "READ @ core : pods namespaces",
    ),
    "minikube-py:storage-provisioner": (
        "get list watch create delete @ core : persistentvolumes",
        "READ @ core : persistentvolumeclaims",
        "get list watch create @ storage.k8s.io : storageclasses",
        "create patch @ core : events",
    ),
    "minikube-py:cluster-dns": (
        "READ @ core : services endpoints pods namespaces",
        "READ @ discovery.k8s.io : endpointslices",
    ),
}

# aggregated role -> (its own aggregate-to label or "", label it selects)
AGGREGATED_ROLES: Final[dict[str, str]] = {"admin": "", "edit": "admin", "view": "edit"}
AGGREGATE_LABELS: Final[dict[str, str]] = {
    "system:aggregate-to-admin": "admin",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view",
}

# binding (and role) name -> subjects: G group, U user, S namespace/service account
CLUSTER_ROLE_BINDINGS: Final[dict[str, tuple[str, ...]]] = {
    "cluster-admin": ("G system:masters",),
    "system:monitoring": ("G system:monitoring",),
    "system:discovery": ("G system:authenticated",),
    "system:basic-user": ("G system:authenticated",),
    "system:public-info-viewer": ("G system:authenticated", "G system:unauthenticated"),
    "system:node-proxier": ("U system:kube-proxy",),
    "system:kube-controller-manager": ("U system:kube-controller-manager",),
    "system:kube-dns": ("S kube-system/kube-dns",),
    "system:kube-scheduler": ("U system:kube-scheduler",),
    "system:volume-scheduler": ("U system:kube-scheduler",),
    "system:node": (),
    "system:service-account-issuer-discovery": ("G system:serviceaccounts",),
    "minikube-py:network-policies": ("U system:kube-proxy",),
    "minikube-py:storage-provisioner": ("U system:kube-dns",),
    "minikube-py:cluster-dns": ("S kube-system/kube-dns", "U system:kube-dns"),
}

# namespace -> role -> rules
ROLES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "kube-system": {
        "extension-apiserver-authentication-reader": (
            "get list watch @ core : configmaps # extension-apiserver-authentication",
        ),
        "system:controller:bootstrap-signer": ("READ @ core : secrets",),
        "system:controller:cloud-provider": ("create get list watch @ core : configmaps",),
        "system:controller:token-cleaner": ("get list watch delete @ core : secrets", EVENTS),
        "system::leader-locking-kube-controller-manager": (
            "watch @ core : configmaps",
            "get update @ core : configmaps # kube-controller-manager",
        ),
        "system::leader-locking-kube-scheduler": (
            "watch @ core : configmaps",
            "get update @ core : configmaps # kube-scheduler",
        ),
        "minikube-py:cluster-dns": (
            "create get update delete @ core : services",
            "create get update delete @ discovery.k8s.io : endpointslices",
        ),
    },
    "kube-public": {
        "system:controller:bootstrap-signer": (
            "READ @ core : configmaps",
            "update @ core : configmaps # cluster-info",
            EVENTS,
        ),
    },
}

# namespace -> binding -> (role, subjects)
ROLE_BINDINGS: Final[dict[str, dict[str, tuple[str, tuple[str, ...]]]]] = {
    "kube-system": {
        "system::extension-apiserver-authentication-reader": (
            "extension-apiserver-authentication-reader",
            ("U system:kube-controller-manager", "U system:kube-scheduler"),
        ),
        "system::leader-locking-kube-controller-manager": (
            "system::leader-locking-kube-controller-manager",
            ("U system:kube-controller-manager", "S kube-system/kube-controller-manager"),
        ),
        "system::leader-locking-kube-scheduler": (
            "system::leader-locking-kube-scheduler",
            ("U system:kube-scheduler", "S kube-system/kube-scheduler"),
        ),
        "system:controller:bootstrap-signer": (
            "system:controller:bootstrap-signer",
            ("S kube-system/bootstrap-signer",),
        ),
        "system:controller:cloud-provider": ("system:controller:cloud-provider", ("S kube-system/cloud-provider",)),
        "system:controller:token-cleaner": ("system:controller:token-cleaner", ("S kube-system/token-cleaner",)),
        "minikube-py:cluster-dns": ("minikube-py:cluster-dns", ("S kube-system/kube-dns", "U system:kube-dns")),
    },
    "kube-public": {
        "system:controller:bootstrap-signer": (
            "system:controller:bootstrap-signer",
            ("S kube-system/bootstrap-signer",),
        ),
    },
}

"""What single plugins are tried with: one request, and the services they are made from."""

from apimachinery.resources import lookup
from apiserver.admission.chain import AdmissionAttributes, PluginServices
from apiserver.admission.metrics import AdmissionMetrics
from apiserver.authentication.user import UserInfo
from component.metrics import Registry


def services(cluster, **configuration):
    return PluginServices(None, cluster, cluster, None, AdmissionMetrics(Registry()), configuration)


def attributes(obj, resource="pods", operation="CREATE", user=None, old=None, subresource="", namespace="ns"):
    return AdmissionAttributes(
        operation=operation,
        resource=lookup(resource),
        subresource=subresource,
        namespace=namespace,
        name=obj["metadata"].get("name", ""),
        object=obj,
        old_object=old,
        user=user or UserInfo("joe"),
    )


def pod(**spec):
    spec = {"containers": [{"name": "c", "image": "i"}]} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}, "spec": spec}

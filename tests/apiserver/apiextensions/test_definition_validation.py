import copy

import pytest

from apiserver.apiextensions.definition_validation import validate_create, validate_status, validate_update

V1 = "spec.validation.openAPIV3Schema"

URL = {"url": "https://x"}
BOTH = {"url": "https://x", "service": {"namespace": "a", "name": "b"}}


def crd(schema=None, **spec):
    schema = {"type": "object"} if schema is None else schema
    names = {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    body = {"group": "ex.io", "scope": "Namespaced", "names": names, "versions": [version]} | spec
    return {"metadata": {"name": "foos.ex.io"}, "spec": body}


def under(**spec):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}


def test_good_definitions_pass():
    assert validate_create(crd()) == []
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    keyed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
    }
    either = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    size = {"type": "integer", "default": 3}
    assert validate_create(crd(under(free=free, keyed=keyed, either=either, size=size))) == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"scope": "X"}, 'spec.scope: Unsupported value: "X": supported values: "Cluster", "Namespaced"'),
        (
            {"versions": []},
            "spec.versions: Invalid value: null: must have exactly one version marked as storage version",
        ),
        (
            {"conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}},
            "spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook",
        ),
        (
            {"versions": [{"name": "v1", "storage": True}]},
            f"{V1}: Required value: schemas are required",
        ),
        (
            {"group": "x.k8s.io"},
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval "
            'annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
        ),
        (
            {"conversion": {"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}},
            "spec.conversion.webhook: Forbidden: should not be set when strategy is not set to Webhook",
        ),
        (
            {
                "conversion": {
                    "strategy": "Webhook",
                    "webhook": {"conversionReviewVersions": ["v2"], "clientConfig": URL},
                }
            },
            'spec.conversion.webhook.conversionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, '
            "v1beta1",
        ),
        (
            {
                "conversion": {
                    "strategy": "Webhook",
                    "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": BOTH},
                }
            },
            "spec.conversion.webhook.clientConfig: Required value: exactly one of url or service is required",
        ),
    ],
)
def test_definitions(spec, told):
    made = crd(**spec)
    made["metadata"]["name"] = f"foos.{made['spec']['group']}"
    assert [str(problem) for problem in validate_create(made)] == [told]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"additionalPrinterColumns": [{"name": "a", "type": "x", "jsonPath": ".a"}]}, ["[0].type: Invalid value: "]),
        ({"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": ".a["}]}, ["[0].jsonPath: Invalid"]),
        (
            {"additionalPrinterColumns": [{"name": "", "type": "date"}]},
            ["[0].name: Req", "[0].jsonPath: Required value"],
        ),
        (
            {"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": ".a[-1:].b", "format": "byte"}]},
            [],
        ),
        ({"subresources": {"scale": {"specReplicasPath": ".spec.n"}}}, [".scale.statusReplicasPath: Required value"]),
        (
            {
                "subresources": {
                    "scale": {
                        "specReplicasPath": ".n",
                        "statusReplicasPath": ".status.a[0]",
                        "labelSelectorPath": ".metadata.x",
                    }
                }
            },
            [
                '.scale.specReplicasPath: Invalid value: ".n": should be a json path under .spec',
                '.scale.statusReplicasPath: Invalid value: ".status.a[0]": should be a simple json path',
                '.scale.labelSelectorPath: Invalid value: ".metadata.x": should be a json path under either .spec or .status',
            ],
        ),
        ({"selectableFields": [{"jsonPath": ".spec.host"}]}, []),
        (
            {
                "selectableFields": [
                    {"jsonPath": ".spec.none"},
                    {"jsonPath": ".spec"},
                    {"jsonPath": ".metadata.name"},
                    {"jsonPath": ".spec.host"},
                    {"jsonPath": ".spec.host"},
                ]
            },
            [
                '[0].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field',
                '[1].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer.',
                '[2].jsonPath: Invalid value: ".metadata.name": must not point to fields in metadata',
                '[4].jsonPath: Duplicate value: ".spec.host"',
            ],
        ),
    ],
)
def test_what_a_version_has_beside_its_schema(more, told):
    made = crd(under(host={"type": "string"}))
    made["spec"]["versions"][0] |= more
    (field,) = more
    found = [str(problem) for problem in validate_create(made)]
    assert [one[: len(f"spec.{field}{part}")] for one, part in zip(found, told, strict=True)] == [
        f"spec.{field}{part}" for part in told
    ]


def test_rules_that_were_stored_are_not_judged_again():
    schema = under(a={"type": "string", "x-kubernetes-validations": [{"rule": "self.x == 1"}]})
    old, new = crd(schema), crd(copy.deepcopy(schema), conversion={"strategy": "None"})
    assert len(validate_create(old)) == 1
    assert validate_update(new, old) == []
    new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "changed"
    assert len(validate_update(new, old)) == 1


def test_versions_that_differ_are_told_of_each():
    made = crd({"type": "object", "properties": {"a": {}}})
    other = {"name": "v2", "served": True, "storage": False, "schema": {"openAPIV3Schema": {"type": "string"}}}
    made["spec"]["versions"].append(other)
    assert [problem.field for problem in validate_create(made)] == [
        "spec.versions[0].schema.openAPIV3Schema.properties[a].type",
        "spec.versions[1].schema.openAPIV3Schema.type",
    ]


def test_deprecation_warnings():
    made = crd()
    made["spec"]["versions"][0]["deprecationWarning"] = "old"
    (problem,) = validate_create(made)
    assert str(problem) == (
        'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions'
    )
    made["spec"]["versions"][0]["deprecated"] = True
    assert validate_create(made) == []
    made["spec"]["versions"][0]["deprecationWarning"] = "a\nb"
    assert [problem.detail for problem in validate_create(made)] == ["must only contain printable characters"]


def test_the_status_has_the_versions_objects_may_be_stored_in():
    made = crd()
    for stored, told in (
        ([], "must have at least one stored version"),
        (["v2"], "must appear in spec.versions"),
        (["v1"], ""),
    ):
        made["status"] = {"storedVersions": stored}
        found = validate_status(made)
        assert (found[0].detail if found else "") == told


def test_the_name_follows_from_the_names():
    wrong = crd()
    wrong["metadata"]["name"] = "x"
    assert [str(p) for p in validate_create(wrong)] == [
        'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group'
    ]


def test_what_may_not_change():
    old = crd()
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["versions"][0]["name"] = "v2"
    assert [str(problem) for problem in validate_update(new, old)] == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions',
    ]

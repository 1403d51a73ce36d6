from apiserver.endpoints.field_validation import duplicate_fields_error, not_declared, strict_problems


def test_the_words_that_clients_look_for():
    problems = strict_problems(["spec.unknownField"], b'{"spec":{"replicas":1,"replicas":2}}')
    error = duplicate_fields_error({"apiVersion": "apps/v1", "kind": "Deployment"}, problems)
    assert error.code == 400
    assert error.message.endswith(
        'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'
    )
    assert not_declared(["spec.foo"]) == [".spec.foo: field not declared in schema"]
    assert strict_problems([]) == []

"""The proxy subresource: targets, paths and links."""

import pytest

from apimachinery.errors import BadRequest
from apiserver.endpoints.proxy import Target, parse_target, rewrite_links, split_path


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("web", Target("http", "web", "")),
        ("web:8080", Target("http", "web", "8080")),
        ("https:web", Target("https", "web", "")),
        ("https:web:tls", Target("https", "web", "tls")),
        (":web:80", Target("http", "web", "80")),
    ],
)
def test_a_target_is_a_scheme_a_name_and_a_port(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["ftp:web:80", "a:b:c:d"])
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_target(text)


@pytest.mark.parametrize(
    ("path", "namespaced", "parts"),
    [
        ("/api/v1/namespaces/proxy-7/pods/proxy/proxy/a/proxy/b", True, ("pods/proxy/proxy", "/a/proxy/b")),
        ("/api/v1/namespaces/n/services/web/proxy", True, ("services/web/proxy", "")),
        ("/api/v1/namespaces/n/services/web/proxy/", True, ("services/web/proxy", "/")),
        ("/api/v1/nodes/proxy-1/proxy/logs/", False, ("nodes/proxy-1/proxy", "/logs/")),
    ],
)
def test_names_that_begin_with_proxy_do_not_confuse_the_path(
    path: str, namespaced: bool, parts: tuple[str, str]
) -> None:
    prefix, rest = split_path(path, namespaced=namespaced)
    assert prefix.endswith(parts[0])
    assert (prefix + rest, rest) == (path, parts[1])


def test_absolute_links_of_a_page_stay_below_the_proxy() -> None:
    page = b'<a href="/x">x</a> <a href="//other/">y</a> <img src=\'/i.png\'>'
    assert rewrite_links(page, b"/p") == b'<a href="/p/x">x</a> <a href="//other/">y</a> <img src=\'/p/i.png\'>'

"""The proxy's metrics, with upstream's names."""

from component.metrics import Registry

REGISTRY = Registry()

SYNC_SECONDS = REGISTRY.histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "Seconds to bring the rules up to date.",
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.512, 2.048),
)
SYNC_FULL = REGISTRY.counter("kubeproxy_sync_full_proxy_rules_total", "Times the whole table was made anew.")
SYNC_FAILURES = REGISTRY.counter(
    "kubeproxy_sync_proxy_rules_nftables_sync_failures_total", "Times nftables refused a change."
)
LAST_SYNC = REGISTRY.gauge(
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When the rules were last brought up to date."
)
SERVICES = REGISTRY.gauge("kubeproxy_sync_proxy_rules_services", "Services with rules, by family.", "ip_family")

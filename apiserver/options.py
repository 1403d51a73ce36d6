"""The flags of kube-apiserver that this server knows, under upstream's names."""

from __future__ import annotations

from dataclasses import dataclass

from component.flags import Duration, flag


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    # etcd
    etcd_servers: tuple[str, ...] = flag(("http://127.0.0.1:2379",), help="etcd endpoints (scheme://ip:port)")
    etcd_cafile: str = flag("", help="CA that signed etcd's certificate")
    etcd_certfile: str = flag("", help="client certificate for etcd")
    etcd_keyfile: str = flag("", help="key of the client certificate for etcd")
    etcd_prefix: str = flag("/registry", help="prefix of all keys in etcd")
    etcd_compaction_interval: Duration = flag(300.0, help="how often etcd's history is compacted, 0 never")  # noqa: RUF009 - a dataclass field
    encryption_provider_config: str = flag("", help="EncryptionConfiguration file: how values are kept in etcd")
    encryption_provider_config_automatic_reload: bool = flag(False, help="read that file again when it changes")
    etcd_shared: bool = flag(
        False, help="other API servers write to the same etcd: every consistent read asks etcd for its revision"
    )
    event_ttl: Duration = flag(3600.0, help="how long Events are kept")  # noqa: RUF009 - a dataclass field
    # serving
    bind_address: tuple[str, ...] = flag(("0.0.0.0",), help="addresses to listen on")
    secure_port: int = flag(6443, help="port to serve HTTPS on; 0 picks a free one")
    advertise_address: str = flag("", help="address of this server in Endpoints of the kubernetes Service")
    external_hostname: str = flag("", help="host name in generated URLs")
    tls_cert_file: str = flag("", help="certificate (chain) to serve with; without it plain HTTP is served on loopback")
    tls_private_key_file: str = flag("", help="key of the certificate")
    request_timeout: Duration = flag(60.0, help="how long a request may take (watches and streams excepted)")  # noqa: RUF009 - a dataclass field
    shutdown_delay_duration: Duration = flag(  # noqa: RUF009 - a dataclass field
        0.0, help="how long requests are still served after a signal to end, while readiness fails"
    )
    max_requests_inflight: int = flag(400, help="reads answered at the same time; 0 for no limit")
    max_mutating_requests_inflight: int = flag(200, help="writes answered at the same time; 0 for no limit")
    enable_priority_and_fairness: bool = flag(
        True, help="divide the sum of both limits among flows; off: turn away what is above each"
    )
    # authentication
    client_ca_file: str = flag("", help="authorities whose client certificates name users")
    anonymous_auth: bool = flag(True, help="serve requests without credentials as system:anonymous")
    authentication_config: str = flag("", help="AuthenticationConfiguration file: anonymous requests, OpenID issuers")
    oidc_issuer_url: str = flag("", help="OpenID issuer whose tokens name users")
    oidc_client_id: str = flag("", help="audience that tokens of the OpenID issuer must have")
    oidc_ca_file: str = flag("", help="authority of the OpenID issuer's server; empty: the system's")
    oidc_username_claim: str = flag("sub", help="claim of OpenID tokens that is the user's name")
    oidc_username_prefix: str = flag("", help="prefix of names from OpenID tokens; -: none; empty: the issuer and #")
    oidc_groups_claim: str = flag("", help="claim of OpenID tokens that is the user's groups")
    oidc_groups_prefix: str = flag("", help="prefix of groups from OpenID tokens")
    oidc_signing_algs: tuple[str, ...] = flag(("RS256",), help="signature algorithms of OpenID tokens")
    oidc_required_claim: tuple[str, ...] = flag((), help="key=value claims that OpenID tokens must have")
    token_auth_file: str = flag("", help="CSV file of static tokens: token,user,uid,groups")
    enable_bootstrap_token_auth: bool = flag(False, help="accept bootstrap tokens")
    requestheader_client_ca_file: str = flag("", help="authority of front proxies")
    requestheader_allowed_names: tuple[str, ...] = flag((), help="common names of front proxies; empty: any")
    requestheader_username_headers: tuple[str, ...] = flag(("X-Remote-User",), help="headers naming the user")
    requestheader_uid_headers: tuple[str, ...] = flag(("X-Remote-Uid",), help="headers with the user's UID")
    requestheader_group_headers: tuple[str, ...] = flag(("X-Remote-Group",), help="headers naming groups")
    requestheader_extra_headers_prefix: tuple[str, ...] = flag(("X-Remote-Extra-",), help="prefixes of extra headers")
    service_account_issuer: tuple[str, ...] = flag(
        ("https://kubernetes.default.svc.cluster.local",), help="issuers of ServiceAccount tokens; the first signs"
    )
    service_account_key_file: tuple[str, ...] = flag((), help="public keys of ServiceAccount tokens")
    service_account_signing_key_file: str = flag("", help="private key that signs ServiceAccount tokens")
    service_account_jwks_uri: str = flag("", help="URI of the key set in the OpenID discovery document")
    service_account_max_token_expiration: Duration = flag(0.0, help="longest life of a token; 0: no limit")  # noqa: RUF009 - a dataclass field
    service_account_lookup: bool = flag(True, help="tokens are valid only while their ServiceAccount is there")
    api_audiences: tuple[str, ...] = flag((), help="audiences of this server; default: the issuer")
    # authorization, admission
    authorization_mode: tuple[str, ...] = flag(("Node", "RBAC"), help="authorizers in order")
    enable_admission_plugins: tuple[str, ...] = flag((), help="admission plugins to switch on beside the default ones")
    disable_admission_plugins: tuple[str, ...] = flag((), help="admission plugins to switch off")
    admission_control_config_file: str = flag("", help="configuration of admission plugins (AdmissionConfiguration)")
    allow_privileged: bool = flag(True, help="privileged containers are allowed")
    # audit
    audit_log_path: str = flag("", help="file for the audit log, - for standard output; empty: none")
    audit_policy_file: str = flag("", help="audit policy (audit.k8s.io/v1 Policy); empty: everything at level Metadata")
    audit_log_maxsize: int = flag(100, help="megabytes after which the audit log is rotated; 0: never")
    audit_log_maxage: int = flag(0, help="days after which rotated audit logs are removed; 0: never")
    audit_log_maxbackup: int = flag(0, help="how many rotated audit logs are kept; 0: all")
    audit_log_compress: bool = flag(False, help="compress rotated audit logs")
    audit_webhook_config_file: str = flag("", help="kubeconfig of a server that audit events are sent to")
    audit_webhook_batch_max_size: int = flag(400, help="audit events sent to the server at once")
    audit_webhook_batch_max_wait: Duration = flag(30.0, help="how long audit events wait for their batch to fill")  # noqa: RUF009 - a dataclass field
    audit_webhook_initial_backoff: Duration = flag(10.0, help="pause before the first retry of sending audit events")  # noqa: RUF009 - a dataclass field
    # services
    service_cluster_ip_range: tuple[str, ...] = flag(("10.96.0.0/12",), help="CIDRs of Service addresses (two: dual)")
    service_node_port_range: str = flag("30000-32767", help="ports of Services of type NodePort")
    # kubelets, extension servers
    kubelet_client_certificate: str = flag("", help="client certificate for kubelets")
    kubelet_client_key: str = flag("", help="key of the client certificate for kubelets")
    kubelet_certificate_authority: str = flag("", help="authority of kubelets' serving certificates; empty: unchecked")
    kubelet_preferred_address_types: tuple[str, ...] = flag(
        ("InternalIP", "Hostname", "ExternalIP"), help="which node addresses to try, in order"
    )
    proxy_client_cert_file: str = flag("", help="client certificate shown to extension servers and webhooks")
    proxy_client_key_file: str = flag("", help="key of that certificate")
    enable_aggregator_routing: bool = flag(True, help="reach extension servers by their endpoints, not the Service")
    v: int = flag(0, help="log verbosity")

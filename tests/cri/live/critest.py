"""critest's specs (cri-tools, pkg/validate), group by group, and our scenarios that show the same.

critest itself is a Go program that no registry we can reach has; its specs are known. Here stands which of our live
tests does what each spec does. All of these run with crun and with runc.
"""

from __future__ import annotations

SCENARIOS: dict[str, dict[str, tuple[str, ...]]] = {
    "Runtime info": {
        "should return version info": ("pod_sandbox::version_and_status_are_what_the_kubelet_checks",),
        "should return runtime conditions": ("pod_sandbox::version_and_status_are_what_the_kubelet_checks",),
    },
    "PodSandbox": {
        "running": ("pod_sandbox::a_sandbox_has_what_was_asked",),
        "listing": ("pod_sandbox::filters_are_and_ed_and_ids_may_be_abbreviated",),
        "stopping": ("pod_sandbox::stop_and_remove_are_idempotent_and_leave_nothing",),
        "removing": ("pod_sandbox::stop_and_remove_are_idempotent_and_leave_nothing",),
        "metric descriptors": ("stats::every_metric_is_described_and_fits_its_labels",),
        "pod sandbox metrics": ("stats::every_metric_is_described_and_fits_its_labels",),
        "safe sysctls": ("namespaces::sysctls_of_the_pods_own_namespaces",),
        "unsafe sysctls": ("namespaces::sysctls_of_the_pods_own_namespaces",),
    },
    "Container": {
        "creating": ("container::container_filters_are_and_ed",),
        "starting": ("container::states_times_and_reasons",),
        "stopping": ("container::stop_honours_signal_and_grace",),
        "removing created": ("container::a_container_is_removed_in_every_state",),
        "removing running": ("container::a_container_is_removed_in_every_state",),
        "removing stopped": ("container::a_container_is_removed_in_every_state",),
        "execSync": ("container::exec_sync_returns_output_code_and_obeys_its_time",),
        "execSync with timeout": ("container::exec_sync_returns_output_code_and_obeys_its_time",),
        "container stats": ("stats::container_stats_have_what_the_kubelet_reads",),
        "stats of started containers": ("stats::stats_of_all_and_of_those_that_pass_the_filter",),
        "stats when the filter is nil": ("stats::stats_of_all_and_of_those_that_pass_the_filter",),
        "stats of three containers": ("stats::stats_of_all_and_of_those_that_pass_the_filter",),
        "stats filtered by labels": ("stats::stats_of_all_and_of_those_that_pass_the_filter",),
        "volume": ("mounts::bind_mounts_read_only_and_not",),
        "volume whose host path is a symlink": ("mounts::bind_mounts_read_only_and_not",),
        "log": ("container::logs_are_in_cri_form_with_partial_lines",),
        "reopening the log": ("container::a_rotated_log_is_reopened",),
    },
    "Container Mount Propagation": {
        "rprivate": ("mounts::propagation_from_and_to_the_host",),
        "rslave": ("mounts::propagation_from_and_to_the_host",),
        "rshared": ("mounts::propagation_from_and_to_the_host",),
    },
    "Container OOM": {"exit code 137 and reason OOMKilled": ("container::an_oom_kill_is_told",)},
    "Container Mount Readonly": {
        "non-recursive": ("mounts::recursive_read_only_reaches_submounts",),
        "recursive": ("mounts::recursive_read_only_reaches_submounts",),
        "recursive with PROPAGATION_HOST_TO_CONTAINER": ("mounts::contradictory_mounts_are_refused",),
        "recursive with PROPAGATION_BIDIRECTIONAL": ("mounts::contradictory_mounts_are_refused",),
        "recursive with readonly false": ("mounts::contradictory_mounts_are_refused",),
    },
    "Idempotence": {
        "stopping a sandbox twice": ("pod_sandbox::stop_and_remove_are_idempotent_and_leave_nothing",),
        "removing a sandbox twice": ("pod_sandbox::stop_and_remove_are_idempotent_and_leave_nothing",),
        "stopping a container twice": ("container::stop_is_idempotent_and_keeps_the_first_end",),
        "removing a container twice": ("container::a_container_is_removed_in_every_state",),
        "unknown sandbox, container, image": ("container::unknown_objects",),
    },
    "Image Manager": {
        "public image with tag": ("images::pull_by_tag_digest_short_name_and_mirror",),
        "public image without tag": ("images::pull_by_tag_digest_short_name_and_mirror",),
        "public image with digest": ("images::pull_by_tag_digest_short_name_and_mirror",),
        "image status with several tags": ("images::images_are_found_by_every_name",),
        "uid and username": ("images::users_of_images_exclude_each_other",),
        "listing": ("images::images_are_found_by_every_name",),
        "removing by any tag": ("images::removing_one_tag_removes_the_image",),
        "ids agree everywhere": ("container::states_times_and_reasons",),
    },
    "Image Volume": {
        "digest in the status": ("mounts::image_volumes_are_read_only_and_keep_their_image",),
        "mounted, read-only, executable": ("mounts::image_volumes_are_read_only_and_keep_their_image",),
        "readonly false is refused": ("mounts::contradictory_mounts_are_refused",),
        "subPath": ("mounts::image_volumes_are_read_only_and_keep_their_image",),
        "missing subPath": ("mounts::image_volumes_are_read_only_and_keep_their_image",),
    },
    "Multiple Containers": {
        "network": ("namespaces::a_pods_containers_share_network_and_names_but_not_files",),
        "log": ("namespaces::a_pods_containers_share_network_and_names_but_not_files",),
        "exec": ("namespaces::a_pods_containers_share_network_and_names_but_not_files",),
    },
    "Networking": {
        "DNS config": ("pod_sandbox::a_sandbox_has_what_was_asked",),
        "hostname": ("pod_sandbox::a_sandbox_has_what_was_asked",),
        "container port only": ("namespaces::a_pods_containers_share_network_and_names_but_not_files",),
        "host port": ("pod_sandbox::host_ports_reach_the_pod",),
    },
    "Streaming": {
        "exec with tty=false and stdin=false": ("streaming::exec_over_spdy_carries_all_streams_and_the_code",),
        "exec with tty=true and stdin=true": ("streaming::a_terminal_takes_sizes",),
        "exec over WebSocket": ("streaming::exec_over_websocket_with_half_close",),
        "attach": ("streaming::attach_sees_what_comes_and_feeds_stdin",),
        "portforward": ("streaming::port_forward_pairs_streams_and_tells_failures",),
        "portforward over WebSocket": (
            "streaming::port_forward_through_a_tunnel_in_a_websocket",
            "streaming::port_forward_over_a_websockets_channels",
        ),
        "portforward in host network": ("streaming::port_forward_reaches_the_nodes_network",),
    },
    "Streaming List": {"all lists": ("list_streams::streamed_lists_equal_the_plain_ones",)},
    "Security Context: NamespaceOption": {
        "HostPID": ("namespaces::processes_of_the_node_the_pod_and_the_container",),
        "PodPID": ("namespaces::processes_of_the_node_the_pod_and_the_container",),
        "ContainerPID": ("namespaces::processes_of_the_node_the_pod_and_the_container",),
        "HostIpc true and false": ("namespaces::shared_memory_of_the_node",),
        "HostNetwork true and false": ("namespaces::sockets_of_the_node",),
    },
    "Security Context: bucket": {
        "SupplementalGroups": ("security_context::groups_are_those_of_commands_too",),
        "RunAsUser, RunAsUserName, RunAsGroup": ("security_context::identity",),
        "RunAsGroup without RunAsUser": ("security_context::impossible_identities_are_refused",),
        "ReadOnlyRootfs": ("security_context::no_new_privileges_read_only_root_and_paths",),
        "Privileged true and false": ("security_context::the_network_is_managed_with_the_capability",),
        "adding and dropping capabilities": ("security_context::capabilities_are_added_and_dropped",),
        "adding and dropping ALL": ("security_context::capabilities_are_added_and_dropped",),
        "MaskedPaths": ("security_context::paths_stay_masked_and_read_only_for_commands",),
        "ReadonlyPaths": ("security_context::paths_stay_masked_and_read_only_for_commands",),
    },
    "Security Context: SupplementalGroupsPolicy": {
        "Merge": ("security_context::identity", "security_context::groups_are_those_of_commands_too"),
        "Strict": ("security_context::identity",),
    },
    "Security Context: SeccompProfilePath": {
        "unconfined, localhost, default, nil": ("security_context::seccomp_profiles",),
        "hostname with each profile and SYS_ADMIN": ("security_context::seccomp_and_capabilities_decide_about_a_call",),
    },
    "Security Context: NoNewPrivs": {
        "escalation": ("security_context::a_setuid_program_raises_privileges_unless_forbidden",),
    },
    "Security Context: UserNamespaces": {
        "NamespaceMode_POD": ("user_namespace::root_of_the_pod_is_nobody_to_the_node",),
        "NamespaceMode_NODE": ("user_namespace::the_nodes_user_namespace_needs_no_mapping",),
        "two mappings, id 0 unmapped, CONTAINER, TARGET": ("user_namespace::impossible_user_namespaces_are_refused",),
    },
}
# Groups that no host of ours can run, and what stands for them.
ELSEWHERE = {
    "AppArmor": "needs a kernel with AppArmor: without one, security_context::apparmor_where_the_host_has_none",
    "SELinux": "registers on SELinux hosts only; unit tests of cri.oci_spec.security_labels",
    "NRI": "runs with -nri-socket only, which this runtime does not serve",
    "CgroupMountMode": "the feature (CRI 1.38) is not advertised, so that its specs skip",
}

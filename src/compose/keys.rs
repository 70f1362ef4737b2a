//! Which keys may stand where, by the Compose Specification.
//!
//! A key that is unknown and near a known one is a typo. One that is like none may be newer than
//! this list: the compose of the host decides about it. To add a key: put it into its list.

use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, nearest};

const TOP: &[&str] = &[
    "version", "name", "include", "services", "networks", "volumes", "secrets", "configs", "models",
];

const SERVICE: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

const UPDATE: &[&str] = &[
    "parallelism",
    "delay",
    "failure_action",
    "monitor",
    "max_failure_ratio",
    "order",
];

/// Lists by place. `*` stands for a name that the operator chose, `[]` for an item of a list.
const LISTS: &[(&[&str], &[&str])] = &[
    (&[], TOP),
    (&["services", "*"], SERVICE),
    (
        &["services", "*", "deploy"],
        &[
            "mode",
            "replicas",
            "labels",
            "update_config",
            "rollback_config",
            "restart_policy",
            "placement",
            "resources",
            "endpoint_mode",
        ],
    ),
    (&["services", "*", "deploy", "update_config"], UPDATE),
    (&["services", "*", "deploy", "rollback_config"], UPDATE),
    (
        &["services", "*", "deploy", "restart_policy"],
        &["condition", "delay", "max_attempts", "window"],
    ),
    (
        &["services", "*", "deploy", "resources"],
        &["limits", "reservations"],
    ),
    (
        &["services", "*", "deploy", "resources", "limits"],
        &["cpus", "memory", "pids"],
    ),
    (
        &["services", "*", "deploy", "resources", "reservations"],
        &["cpus", "memory", "generic_resources", "devices"],
    ),
    (
        &["services", "*", "healthcheck"],
        &[
            "disable",
            "interval",
            "retries",
            "test",
            "timeout",
            "start_period",
            "start_interval",
        ],
    ),
    (&["services", "*", "logging"], &["driver", "options"]),
    (
        &["services", "*", "ports", "[]"],
        &[
            "name",
            "mode",
            "host_ip",
            "target",
            "published",
            "protocol",
            "app_protocol",
        ],
    ),
    (
        &["services", "*", "volumes", "[]"],
        &[
            "type",
            "source",
            "target",
            "read_only",
            "consistency",
            "bind",
            "volume",
            "tmpfs",
            "image",
        ],
    ),
    (
        &["services", "*", "depends_on", "*"],
        &["condition", "restart", "required"],
    ),
    (&["services", "*", "extends"], &["service", "file"]),
    (
        &["services", "*", "networks", "*"],
        &[
            "aliases",
            "interface_name",
            "ipv4_address",
            "ipv6_address",
            "link_local_ips",
            "mac_address",
            "driver_opts",
            "priority",
            "gw_priority",
        ],
    ),
    (
        &["volumes", "*"],
        &["name", "driver", "driver_opts", "external", "labels"],
    ),
    (
        &["networks", "*"],
        &[
            "name",
            "driver",
            "driver_opts",
            "ipam",
            "external",
            "internal",
            "enable_ipv4",
            "enable_ipv6",
            "attachable",
            "labels",
        ],
    ),
    (
        &["secrets", "*"],
        &[
            "name",
            "environment",
            "file",
            "external",
            "labels",
            "driver",
            "driver_opts",
            "template_driver",
        ],
    ),
    (
        &["configs", "*"],
        &[
            "name",
            "content",
            "environment",
            "file",
            "external",
            "labels",
            "template_driver",
        ],
    ),
];

/// Reports unknown keys, wherever the specification fixes them.
pub(super) fn check(root: &Node, found: &mut Findings) {
    for (path, keys) in LISTS {
        each(root, path, &mut |node| unknown(node, path, keys, found));
    }
}

fn each(node: &Node, path: &[&str], then: &mut impl FnMut(&Node)) {
    let Some((first, rest)) = path.split_first() else {
        return then(node);
    };
    match *first {
        "*" => {
            for entry in node.map().unwrap_or(&[]) {
                each(&entry.value, rest, then);
            }
        }
        "[]" => {
            for item in node.seq().unwrap_or(&[]) {
                each(item, rest, then);
            }
        }
        key => {
            if let Some(next) = node.get(key) {
                each(next, rest, then);
            }
        }
    }
}

fn unknown(node: &Node, path: &[&str], keys: &[&str], found: &mut Findings) {
    for entry in node.map().unwrap_or(&[]) {
        let key = entry.key.text.as_str();
        if keys.contains(&key) || key.starts_with("x-") || key.is_empty() {
            continue;
        }
        let place = place(path);
        let finding = match nearest(key, keys.iter().copied()) {
            Some(near) => Diagnostic::error(format!("compose knows no key `{key}` {place}"))
                .hint(format!("did you mean `{near}`?")),
            None => match elsewhere(key) {
                Some(there) => Diagnostic::error(format!("compose knows no key `{key}` {place}"))
                    .hint(format!("it belongs {there}")),
                None => Diagnostic::warning(format!("key `{key}` {place} is not known here"))
                    .hint("the compose of the host decides about it when it is checked there"),
            },
        };
        found.push(finding.at(&entry.key.span));
    }
}

/// Another place that has this key: most often the indentation is wrong.
fn elsewhere(key: &str) -> Option<String> {
    let (path, _) = LISTS.iter().find(|(_, keys)| keys.contains(&key))?;
    Some(place(path))
}

fn place(path: &[&str]) -> String {
    match path {
        [] => "at the top of the file".to_owned(),
        ["services", "*"] => "in a service".to_owned(),
        ["services", "*", rest @ ..] | [rest @ .., "*"] => {
            let parts: Vec<&str> = rest
                .iter()
                .filter(|p| !matches!(**p, "*" | "[]"))
                .copied()
                .collect();
            format!("in `{}`", parts.join("."))
        }
        _ => format!("in `{}`", path.join(".")),
    }
}

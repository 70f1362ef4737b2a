//! `jobs`: what they mean, and what is wrong with them.

use std::time::Duration;

use super::*;

fn with(jobs: &str) -> String {
    format!("{BASE}    jobs:\n{jobs}")
}

#[test]
fn jobs_in_the_order_in_which_they_are_written() {
    let i = good(
        "",
        &with(
            "      seed: { command: [/app, seed] }\n      migrate: { command: [/app, migrate, \
             --all], service: worker, where: [green, web1], within: 2h, rollback: blocked }\n      \
             gone: null\n",
        ),
        &[],
    );
    let jobs = &i.app("app").unwrap().jobs;
    let names: Vec<&str> = jobs.iter().map(|j| j.name.as_str()).collect();
    assert_eq!(names, ["seed", "migrate"]);
    let seed = &jobs[0];
    assert_eq!(
        (seed.within, seed.way()),
        (Duration::from_secs(600), "allowed")
    );
    assert!(seed.hosts.is_empty() && seed.service.is_none());
    let migrate = &jobs[1];
    assert_eq!(migrate.argv, ["/app", "migrate", "--all"]);
    let hosts: Vec<&str> = migrate.hosts.iter().map(|h| h.as_str()).collect();
    assert_eq!(hosts, ["web3", "web4", "web1"]);
    assert_eq!(migrate.within, Duration::from_secs(7200));
    assert!(migrate.blocks);
    let rows = i.explain(&Only::App("app".parse().unwrap()));
    let rows = rows.iter().flat_map(|e| &e.rows);
    let said: Vec<String> = rows
        .filter(|r| r.key.starts_with("jobs.seed") && r.from.is_none())
        .map(|r| format!("{} {}", r.key, r.value))
        .collect();
    assert_eq!(
        said,
        ["jobs.seed.rollback allowed", "jobs.seed.within 10m00s"]
    );
}

#[test]
fn jobs_that_cannot_run_are_found() {
    let said = |job: &str| match load("", &with(&format!("      {job}\n")), &[]) {
        Ok(_) => String::new(),
        Err(findings) => findings.to_string(),
    };
    for (job, what) in [
        ("migrate: {}", "job `migrate` of app `app` has no command"),
        ("migrate: { command: go }", "a list of words"),
        (
            "Migrate: { command: [go] }",
            "job name `Migrate` starts with",
        ),
        (
            "migrate: { command: [go], where: web1 }",
            "job `migrate` of app `app` has no host in slot `green`",
        ),
        (
            "migrate: { command: [go], where: [web1, web9] }",
            "job `migrate` of app `app`: ",
        ),
        ("migrate: { command: [go], within: 0s }", "from 1s to 24h"),
        (
            "migrate: { command: [go], rollback: never }",
            "blocked or allowed",
        ),
        (
            "migrate: { command: [go], image: x }",
            "unknown key `image`",
        ),
        (
            "migrate: { command: [go], service: \"a b\" }",
            "service name",
        ),
    ] {
        let found = said(job);
        assert!(found.contains(what), "{job}: {found}");
    }
    // With its place.
    let found = said("migrate: { command: [go], where: web1 }");
    assert!(found.contains("staging.yml:16:40"), "{found}");
}

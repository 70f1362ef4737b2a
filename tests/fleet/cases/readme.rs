//! The documentation's commands on the real fleet, page by page, in the order in which they stand.

use crate::support::blocks::{self, How};
use crate::support::project::Project;
use crate::support::{Fleet, root, said};
use std::process::Command;

/// Both releases are there, the second one serves: what the pages assume.
fn run(page: &str) {
    let fleet = Fleet::take();
    let project = Project::new(&fleet);
    operator(
        &fleet,
        &project,
        "deploy staging @1.0.1-22-7e56158 --set apps.app.bake=0s",
    );
    operator(
        &fleet,
        &project,
        "deploy staging @1.0.2-30-abc1234 --set apps.app.bake=0s",
    );
    for block in blocks::of(root(), page) {
        eprintln!("{}", block.place);
        match &block.how {
            How::Fleet => {
                eprintln!("{}", block.place);
                operator(&fleet, &project, &block.text);
            }
            How::On(hosts) => {
                for host in hosts {
                    fleet.exec(host, &["sh", "-ec", &block.text]);
                }
            }
            How::Always(_) | How::Not(_) => {}
        }
    }
}

/// The environment is there already: `eval "$(script/fleet env)"` stands in the page for a person's shell.
fn operator(fleet: &Fleet, project: &Project, text: &str) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_deploy"));
    let path = format!(
        "{}:{}",
        program.parent().expect("a folder").display(),
        std::env::var("PATH").expect("PATH")
    );
    for line in text.lines().filter(|line| !line.starts_with("eval ")) {
        let out = Command::new("sh")
            .args(["-c", line])
            .current_dir(project.folder())
            .env("PATH", &path)
            .env("DEPLOY_SSH_CONFIG", fleet.ssh_config())
            .output()
            .expect("sh starts");
        assert!(out.status.success(), "`{line}`: {}", said(&out));
    }
}

#[test]
#[ignore = "needs the fleet"]
fn the_readme_can_be_typed() {
    run("README.md");
}

#[test]
#[ignore = "needs the fleet"]
fn the_way_by_hand_in_the_nginx_page_can_be_typed_and_status_agrees() {
    run("docs/nginx.md");
}

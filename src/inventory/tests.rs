//! Whole configurations: what they mean, what is wrong with them.

use std::sync::Arc;

use super::layer::Level;
use super::source::build;
use super::*;
use crate::name::{EnvName, HostName, SlotName};
use crate::text::{Findings, SourceFile};

mod activity;
mod effective;
mod examples;
mod foreign;
mod jobs;
mod large;
mod mistakes;

/// Reads an environment `staging` of two texts; an empty first one is no file.
fn load(defaults: &str, staging: &str, sets: &[&str]) -> Result<Inventory, Findings> {
    let mut files: Vec<(Arc<SourceFile>, Level)> = Vec::new();
    if !defaults.is_empty() {
        files.push((SourceFile::new("defaults.yml", defaults), Level::Defaults));
    }
    files.push((SourceFile::new("staging.yml", staging), Level::Environment));
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    build(
        &EnvName::new("staging").unwrap(),
        &files,
        &sets,
        Findings::default(),
    )
}

fn good(defaults: &str, staging: &str, sets: &[&str]) -> Inventory {
    match load(defaults, staging, sets) {
        Ok(inventory) => inventory,
        Err(findings) => panic!("{findings}"),
    }
}

/// A small environment that is right; tests add to it or break it.
const BASE: &str = "\
hosts:
  web[1:4]: { address: \"{name}.mgt\" }
  lb1:
groups:
  blue: [web1, web2]
  green: [web3, web4]
load_balancers:
  edge: { driver: nginx, hosts: [lb1], probe: \"http://{host}:80\" }
apps:
  app:
    image: registry.example.com/acme/app
    slots: [blue, green]
    balance: { edge: { backend: app } }
    port: 8080
";

fn on<'a>(inventory: &'a Inventory, slot: &str, host: &str) -> &'a HostApp {
    let app = inventory.app("app").unwrap();
    app.on(&SlotName::new(slot).unwrap(), &HostName::new(host).unwrap())
        .unwrap()
}

//! `deploy schema inventory`: what editors need to know about inventories.

use super::context::Context;
use super::failure::Failure;
use crate::inventory::schema::SCHEMA;
use crate::name::ExitCode;

/// Print the JSON Schema of inventories, for editors
///
/// Editors find it where the first line of an inventory names its file, for instance
/// `# yaml-language-server: $schema=../inventory.schema.json`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is described: `inventory`
    #[arg(value_enum, hide_possible_values = true)]
    what: What,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Inventory,
}

impl Args {
    /// Prints it.
    ///
    /// # Errors
    /// None.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        match self.what {
            What::Inventory => ctx.out.result(SCHEMA.trim_end()),
        }
        Ok(ExitCode::Success)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::SCHEMA;
    use crate::balancer;

    /// The keys that drivers read stand in the schema, and no others.
    #[test]
    fn the_schema_knows_every_key_of_every_driver() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for (place, own) in [
            (
                "/definitions/load_balancer",
                ["driver", "hosts", "probe"].as_slice(),
            ),
            (
                "/definitions/balance/additionalProperties",
                &["backend", "host"],
            ),
        ] {
            let object = schema.pointer(place).unwrap();
            let said: BTreeSet<&str> = object["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let drivers = balancer::NAMES.iter().filter_map(|n| balancer::driver(n));
            let read = drivers.flat_map(|d| d.keys()).chain(own).copied();
            assert_eq!(said, read.collect::<BTreeSet<_>>(), "schema.json, {place}");
        }
    }

    /// What a driver lists as its keys is what it reads.
    #[test]
    fn drivers_read_the_keys_that_they_list() {
        for driver in balancer::NAMES.iter().filter_map(|n| balancer::driver(n)) {
            let unknown = |key: &str| {
                let found = driver.check(&serde_json::json!({ key: {} }));
                found
                    .iter()
                    .any(|(what, _)| what.contains("has no setting"))
            };
            for key in driver.keys() {
                assert!(!unknown(key), "{} {key}", driver.name());
            }
            assert!(unknown("nonsense"), "{}", driver.name());
        }
    }
}

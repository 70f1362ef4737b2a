//! What a driver cannot do is an error when the plan is made, never a silent no-op. Another thing that
//! drivers are asked: in `refusals`.

use super::{Drive, refused};
use crate::balancer::{Driver, Target};
use crate::cli::failure::Failure;
use crate::plan::{Move, Plan, Refusal};

impl Drive<'_> {
    /// Asks the driver of every change of traffic whether it can do it.
    pub(super) fn accepted(&self, plan: &Plan) -> Result<(), Failure> {
        let mut reasons: Vec<(String, String)> = Vec::new();
        for (driver, target, change) in self.changes(plan) {
            for (why, hint) in refusals(driver, target, change) {
                let what = format!("{}: {why}", change.host);
                if !reasons.iter().any(|(known, _)| *known == what) {
                    reasons.push((what, hint));
                }
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        let refusal = Refusal {
            reasons,
            unknown: false,
        };
        Err(refused(plan.kind.word(), refusal))
    }
}

/// What the driver cannot do of this change, each with what to do.
fn refusals(driver: &dyn Driver, target: &Target, change: &Move) -> Vec<(String, String)> {
    let Some(after) = &change.after else {
        let hint = || {
            "name a program for it, or take the app out of that load balancer by hand and do the same again".to_owned()
        };
        let cannot = driver.can_remove(target).err().into_iter();
        return cannot.map(|why| (why, hint())).collect();
    };
    let cannot = driver.accepts(target, after).err().into_iter().flatten();
    cannot.map(|why| (why, String::new())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::driver;
    use serde_json::json;

    fn of(name: &str, settings: serde_json::Value) -> Vec<(String, String)> {
        let target = Target {
            env: "staging".parse().unwrap(),
            app: "app".parse().unwrap(),
            balancer: "edge".parse().unwrap(),
            host: "lb1".parse().unwrap(),
            probe: "http://lb1:80".to_owned(),
            backend: "app".to_owned(),
            host_header: None,
            root: false,
            settings,
        };
        let change = Move {
            host: "lb1".parse().unwrap(),
            before: None,
            after: None,
        };
        refusals(driver(name).unwrap(), &target, &change)
    }

    #[test]
    fn who_cannot_take_an_app_out_is_found_before_anything_is_done() {
        let program = json!(["/usr/local/bin/appliance.py"]);
        let without = json!({ "read": program, "set": program });
        assert_eq!(
            of("command", without),
            [(
                "remove: this load balancer has no program for `remove`".to_owned(),
                "name a program for it, or take the app out of that load balancer by hand and do the same again".to_owned(),
            )]
        );
        let with = json!({ "read": program, "set": program, "remove": program });
        assert_eq!(of("command", with), []);
        for name in ["nginx", "haproxy", "caddy", "none"] {
            assert_eq!(of(name, serde_json::Value::Null), [], "{name}");
        }
    }
}

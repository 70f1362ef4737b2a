//! `Traffic`: who gets which share of requests. Blue-green, drain, weights, canary and A/B are
//! all values of this one type (design, idea 6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::{HostName, SlotName};

/// The whole of a share, in basis points.
pub const WHOLE: u32 = 10_000;

/// What a load balancer sends where, for one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Token of the change that made this value; compared for equality only. Letters, digits, `.`, `-`.
    pub generation: String,
    /// Members of each slot, in inventory order.
    pub groups: BTreeMap<SlotName, Vec<Member>>,
    /// Share of each slot in basis points; sums to [`WHOLE`]. A slot that is absent gets nothing.
    pub split: BTreeMap<SlotName, u32>,
    /// Rules that are asked before the split, first match wins.
    pub rules: Vec<Rule>,
    /// Slot that gets a request which no member of the sole slot takes, as long as a bake lasts. A
    /// wish only: what a load balancer does now stands in `BalancerView::spare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare: Option<SlotName>,
}

/// One host of a slot as the load balancer reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Host as the inventory calls it.
    pub host: HostName,
    /// Address for the load balancer (name or IP, no port).
    pub address: String,
    /// Port on that address.
    pub port: u16,
    /// Whether it is given requests.
    pub state: MemberState,
}

/// Whether a member is given requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Gets its share.
    Ready,
    /// Gets no new requests; open ones may end.
    Drain,
    /// Gets nothing.
    Down,
}

/// Requests with this header or cookie go to this slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What is looked at.
    pub key: RuleKey,
    /// The exact value.
    pub value: String,
    /// The slot that gets the request.
    pub to: SlotName,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKey {
    /// A request header.
    Header(String),
    /// A cookie.
    Cookie(String),
}

impl Traffic {
    /// All traffic to `slot`; groups as given.
    #[must_use]
    pub fn all_to(
        slot: &SlotName,
        groups: BTreeMap<SlotName, Vec<Member>>,
        generation: impl Into<String>,
    ) -> Self {
        Self {
            generation: generation.into(),
            groups,
            split: BTreeMap::from([(slot.clone(), WHOLE)]),
            rules: Vec::new(),
            spare: None,
        }
    }

    /// The same without a spare.
    #[must_use]
    pub fn without_spare(&self) -> Self {
        Self {
            spare: None,
            ..self.clone()
        }
    }

    /// The slot that gets everything, where one does.
    #[must_use]
    pub fn sole(&self) -> Option<&SlotName> {
        let mut given = self.split.iter().filter(|(_, share)| **share > 0);
        match (given.next(), given.next(), self.rules.is_empty()) {
            (Some((slot, _)), None, true) => Some(slot),
            _ => None,
        }
    }

    /// The same members, and no slot gets a request.
    #[must_use]
    pub fn to_nobody(&self, generation: impl Into<String>) -> Self {
        Self {
            generation: generation.into(),
            groups: self.groups.clone(),
            split: BTreeMap::new(),
            rules: Vec::new(),
            spare: None,
        }
    }

    /// Whether no slot gets a request.
    #[must_use]
    pub fn nobody(&self) -> bool {
        self.rules.is_empty() && self.split.values().all(|share| *share == 0)
    }

    /// Whether any request may reach the slot. Such a slot counts as active.
    #[must_use]
    pub fn reaches(&self, slot: &SlotName) -> bool {
        self.split.get(slot).is_some_and(|share| *share > 0)
            || self.rules.iter().any(|r| r.to == *slot)
    }

    /// The same distribution, whatever the generation, the spare, and the order in which it came to be.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let given = |t: &Self| -> BTreeMap<SlotName, u32> {
            t.split
                .iter()
                .filter(|(_, s)| **s > 0)
                .map(|(n, s)| (n.clone(), *s))
                .collect()
        };
        self.groups == other.groups && given(self) == given(other) && self.rules == other.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(s: &str) -> SlotName {
        SlotName::new(s).unwrap()
    }

    #[test]
    fn a_slot_with_weight_or_rule_is_reached() {
        let mut t = Traffic::all_to(&slot("blue"), BTreeMap::new(), "g1");
        assert_eq!(t.sole(), Some(&slot("blue")));
        assert!(!t.reaches(&slot("green")));
        t.rules.push(Rule {
            key: RuleKey::Header("x-variant".into()),
            value: "b".into(),
            to: slot("green"),
        });
        assert!(t.reaches(&slot("green")));
        assert_eq!(t.sole(), None);
    }

    #[test]
    fn nobody_is_no_slot_and_no_rule() {
        let t = Traffic::all_to(&slot("blue"), BTreeMap::new(), "g1");
        assert!(!t.nobody());
        let mut none = t.to_nobody("g2");
        assert!(none.nobody() && none.sole().is_none() && !none.reaches(&slot("blue")));
        none.split.insert(slot("green"), 0);
        assert!(none.nobody());
        none.split.insert(slot("green"), 1);
        assert!(!none.nobody());
    }

    #[test]
    fn generation_and_zero_shares_do_not_make_a_difference() {
        let a = Traffic::all_to(&slot("blue"), BTreeMap::new(), "g1");
        let mut b = Traffic::all_to(&slot("blue"), BTreeMap::new(), "g2");
        b.split.insert(slot("green"), 0);
        assert!(a.same_as(&b));
        b.split.insert(slot("green"), 1);
        assert!(!a.same_as(&b));
    }
}

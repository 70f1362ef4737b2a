//! The contract of load balancers against real servers on this machine: every driver passes the
//! same cases, its bodies run as the record runs them, under load with failed requests counted.
//!
//! To add a driver: a rig that implements [`server::Server`], and a line `contract!` below. To add
//! a case: a function in `contract` or `trouble` and its name in the macro. What is true of one
//! server only stands beside its rig.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "this suite starts servers and measures with the real clock, and a test that cannot go on ends"
)]

mod appliance;
mod caddy;
mod contract;
mod haproxy;
mod nginx;
mod none;
mod server;
mod trouble;
mod world;

/// The cases, each a test of this driver. With `mostly long`: those that take longest, or that another
/// program of the same driver is tried with, are run by `script/test --long` only.
macro_rules! contract {
    ($module:ident, $rig:ty) => {
        mod $module {
            contract!(first $rig);
            contract!(second $rig);
        }
    };
    (mostly long $module:ident, $rig:ty) => {
        mod $module {
            contract!(first $rig);
            mod long {
                contract!(second $rig);
            }
        }
    };
    (first $rig:ty) => {
        contract!(cases $rig;
            contract::the_first_switch_is_read_back,
            contract::switches_under_load_lose_nothing_and_reload_nothing,
            contract::nobody_gets_a_request_and_then_all_do_again,
            contract::a_drain_waits_for_what_is_open_and_counts_what_is_left,
            contract::a_change_of_members_is_read_back_and_taken_back,
            contract::a_removed_entry_leaves_nothing,
            trouble::a_broken_configuration_is_named_before_and_refused,
            trouble::a_switch_by_hand_is_seen_named_and_stops_a_switch,
            trouble::a_commit_can_be_repeated_and_knows_a_stranger,
            trouble::a_server_that_stopped_meanwhile_is_no_success,
        );
    };
    (second $rig:ty) => {
        contract!(cases $rig;
            contract::a_switch_moves_every_later_request,
            contract::a_restart_and_a_reload_keep_the_state,
            contract::one_member_is_left_out_and_taken_back_without_a_reload,
            contract::two_apps_switch_at_the_same_time,
            contract::shares_are_as_set_or_refused,
            contract::rules_are_exact_or_refused,
            contract::the_bodies_run_in_other_shells,
            trouble::a_change_waits_for_the_lock_of_the_load_balancer_and_not_for_ever,
            trouble::the_record_of_the_switch_is_written_before_it,
            trouble::two_changes_of_members_within_a_second_both_take,
        );
    };
    (cases $rig:ty; $($file:ident::$case:ident),+ $(,)?) => {
        $(
            #[test]
            fn $case() {
                if let Some(server) = <$rig as crate::server::Server>::open() {
                    crate::$file::$case(server);
                }
            }
        )+
    };
}

contract!(caddy_keeps_the_contract, crate::caddy::rig::Rig<false>);
contract!(mostly long caddy_of_today_keeps_the_contract, crate::caddy::rig::Rig<true>);
contract!(mostly long command_keeps_the_contract, crate::appliance::Rig<false>);
// The same driver once more: what is peculiar to a registry is its program.
mod registry_is_switched_by_its_example {
    contract!(cases crate::appliance::Rig<true>;
        contract::the_first_switch_is_read_back,
        contract::a_switch_moves_every_later_request,
        contract::nobody_gets_a_request_and_then_all_do_again,
        contract::one_member_is_left_out_and_taken_back_without_a_reload,
        contract::a_removed_entry_leaves_nothing,
        trouble::a_switch_by_hand_is_seen_named_and_stops_a_switch,
        trouble::a_commit_can_be_repeated_and_knows_a_stranger,
    );
}
contract!(haproxy_keeps_the_contract, crate::haproxy::rig::Rig);
contract!(nginx_keeps_the_contract, crate::nginx::rig::Rig);

//! What befalls a run from outside, at every time of every plan.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Broken, Matrix, calm};
use crate::engine::sim::fault::{Blow, Faults};
use crate::engine::sim::play::Along;
use crate::engine::sim::stage::{self, Stage};
use crate::name::{HostName, OutcomeKind};

/// Whether members are taken out one by one.
fn rolls(stage: &Stage) -> bool {
    stage
        .plan
        .steps
        .iter()
        .any(|s| s.undo == crate::plan::Undo::NeverBack)
}

pub fn blows(stage: &Stage) -> Vec<Blow> {
    let members: BTreeSet<HostName> = stage
        .world
        .setup
        .hosts(&stage.plan.target)
        .cloned()
        .collect();
    let mut out = vec![Blow::Signal, Blow::Doubt];
    for host in members {
        out.push(Blow::Taken(host.clone()));
        out.push(Blow::Ends(host.clone()));
        out.push(Blow::Restarts(host.clone()));
        out.push(Blow::Unwell(host.clone()));
        out.push(Blow::Hiccup(host.clone()));
        out.push(Blow::Mute(host));
    }
    out.extend(
        stage
            .world
            .setup
            .balancers
            .iter()
            .map(|b| Blow::Mute(b.host.clone())),
    );
    out.extend(machines(stage));
    out
}

/// What befalls machines: one of each slot, one load balancer.
fn machines(stage: &Stage) -> Vec<Blow> {
    let (setup, fleet) = (&stage.world.setup, &stage.world.fleet);
    let first = |s| setup.hosts(s).find(|h| fleet.hosts.contains_key(*h));
    let lb = setup.balancers.first().map(|b| &b.host);
    let all: BTreeSet<&HostName> = setup.slots.iter().filter_map(first).chain(lb).collect();
    let of = |h: &HostName| [Blow::Dies, Blow::Reboots, Blow::Clock].map(|b| b(h.clone()));
    let mut out: Vec<Blow> = all.into_iter().flat_map(of).collect();
    out.extend(lb.map(|h| Blow::OldFile(h.clone())));
    out
}

#[test]
fn every_blow_at_every_time() {
    let mut matrix = Matrix::new();
    let mut broken = Broken::default();
    // Of the plans for shares one is enough here: the others are of its form.
    let stages = stage::all().into_iter();
    for stage in stages.filter(|s| !s.name.starts_with("weight ")) {
        let long = u64::try_from(calm(&stage).took.as_millis()).unwrap();
        let mut along = Along::new(&stage, Faults::default()).unwrap();
        for at in (0..long).step_by(250).map(Duration::from_millis) {
            along.until(at).unwrap();
            for blow in blows(&stage) {
                let Some(ended) = broken.note(along.with(&[(at, blow.clone())])) else {
                    continue;
                };
                let cell = matrix
                    .entry((stage.name, blow.name().to_owned()))
                    .or_default();
                *cell.entry(ended.outcome.kind.word()).or_default() += 1;
                if blow == Blow::Signal && at < ended.took {
                    // The last member of a restart is brought back first: then all is done.
                    let done = ended.outcome.kind == stage.plan.end && rolls(&stage);
                    let cancelled = ended.outcome.kind == OutcomeKind::Cancelled;
                    assert!(
                        cancelled || done,
                        "{} {at:?} {:?}",
                        stage.name,
                        ended.outcome
                    );
                }
            }
            let again = at + Duration::from_millis(50);
            let twice = [(at, Blow::Signal), (again, Blow::Signal)];
            if let Some(ended) = broken.note(along.with(&twice)) {
                assert!(ended.took <= again);
            }
        }
    }
    let cells: Vec<String> = matrix
        .iter()
        .map(|((stage, blow), ends)| {
            let ends: Vec<&str> = ends.keys().copied().collect();
            format!("{stage:<13}{blow:<9}{}\n", ends.join(", "))
        })
        .collect();
    insta::assert_snapshot!(cells.concat(), @r"
    catch up     clock    succeeded
    catch up     dies     failed, rolled_back, succeeded
    catch up     doubt    failed, rolled_back, succeeded
    catch up     ends     failed, rolled_back, succeeded
    catch up     hiccup   succeeded
    catch up     mute     failed, succeeded
    catch up     old file succeeded
    catch up     reboots  failed, rolled_back, succeeded
    catch up     restarts rolled_back, succeeded
    catch up     signal   cancelled
    catch up     taken    superseded
    catch up     unwell   failed, rolled_back, succeeded
    caught up    clock    succeeded
    caught up    dies     failed, succeeded
    caught up    doubt    failed, succeeded
    caught up    ends     failed, succeeded
    caught up    hiccup   succeeded
    caught up    mute     failed, succeeded
    caught up    old file succeeded
    caught up    reboots  failed, succeeded
    caught up    restarts succeeded
    caught up    signal   cancelled
    caught up    taken    superseded
    caught up    unwell   failed, succeeded
    deploy       clock    succeeded
    deploy       dies     failed, mixed, rolled_back, succeeded
    deploy       doubt    failed, rolled_back, succeeded
    deploy       ends     failed, rolled_back, succeeded
    deploy       hiccup   succeeded
    deploy       mute     failed, rolled_back, succeeded
    deploy       old file succeeded
    deploy       reboots  failed, mixed, rolled_back, succeeded
    deploy       restarts rolled_back, succeeded
    deploy       signal   cancelled
    deploy       taken    superseded
    deploy       unwell   failed, rolled_back, succeeded
    drain        clock    succeeded
    drain        dies     failed, mixed, succeeded
    drain        doubt    failed, succeeded
    drain        ends     failed, succeeded
    drain        hiccup   succeeded
    drain        mute     failed, succeeded
    drain        old file succeeded
    drain        reboots  failed, mixed, succeeded
    drain        restarts failed, succeeded
    drain        signal   cancelled
    drain        taken    superseded
    drain        unwell   failed, succeeded
    exclude      clock    succeeded
    exclude      dies     failed, mixed, rolled_back, succeeded
    exclude      doubt    failed, rolled_back, succeeded
    exclude      ends     failed, rolled_back, succeeded
    exclude      hiccup   succeeded
    exclude      mute     failed, rolled_back, succeeded
    exclude      old file succeeded
    exclude      reboots  failed, mixed, rolled_back, succeeded
    exclude      restarts rolled_back, succeeded
    exclude      signal   cancelled
    exclude      taken    superseded
    exclude      unwell   failed, rolled_back, succeeded
    exclude back clock    succeeded
    exclude back dies     failed, mixed, rolled_back, succeeded
    exclude back doubt    failed, rolled_back, succeeded
    exclude back ends     failed, rolled_back, succeeded
    exclude back hiccup   succeeded
    exclude back mute     failed, succeeded
    exclude back old file succeeded
    exclude back reboots  failed, mixed, rolled_back, succeeded
    exclude back restarts rolled_back, succeeded
    exclude back signal   cancelled
    exclude back taken    superseded
    exclude back unwell   failed, rolled_back, succeeded
    first        clock    succeeded
    first        dies     failed, mixed, rolled_back, succeeded
    first        doubt    failed, rolled_back, succeeded
    first        ends     failed, rolled_back, succeeded
    first        hiccup   succeeded
    first        mute     failed, rolled_back, succeeded
    first        old file succeeded
    first        reboots  failed, mixed, rolled_back, succeeded
    first        restarts rolled_back, succeeded
    first        signal   cancelled
    first        taken    superseded
    first        unwell   failed, rolled_back, succeeded
    kept         clock    succeeded
    kept         dies     failed, mixed, succeeded
    kept         doubt    failed, succeeded
    kept         ends     succeeded
    kept         hiccup   succeeded
    kept         mute     succeeded
    kept         old file succeeded
    kept         reboots  failed, mixed, succeeded
    kept         restarts succeeded
    kept         signal   cancelled
    kept         taken    superseded
    kept         unwell   succeeded
    new member   clock    succeeded
    new member   dies     failed, mixed, succeeded
    new member   doubt    failed, succeeded
    new member   ends     failed, succeeded
    new member   hiccup   succeeded
    new member   mute     failed, succeeded
    new member   old file succeeded
    new member   reboots  failed, mixed, succeeded
    new member   restarts failed, succeeded
    new member   signal   cancelled, succeeded
    new member   taken    superseded
    new member   unwell   failed, succeeded
    passed by    clock    succeeded
    passed by    dies     failed, mixed, rolled_back, succeeded
    passed by    doubt    failed, rolled_back, succeeded
    passed by    ends     failed, rolled_back, succeeded
    passed by    hiccup   succeeded
    passed by    mute     failed, rolled_back, succeeded
    passed by    old file succeeded
    passed by    reboots  failed, mixed, rolled_back, succeeded
    passed by    restarts rolled_back, succeeded
    passed by    signal   cancelled
    passed by    taken    superseded
    passed by    unwell   failed, rolled_back, succeeded
    put back     clock    succeeded
    put back     dies     failed, mixed, succeeded
    put back     doubt    failed, succeeded
    put back     ends     failed, succeeded
    put back     hiccup   succeeded
    put back     mute     failed, succeeded
    put back     old file mixed, succeeded
    put back     reboots  failed, mixed, succeeded
    put back     restarts failed, succeeded
    put back     signal   cancelled, succeeded
    put back     taken    superseded
    put back     unwell   failed, succeeded
    ready        clock    succeeded
    ready        dies     failed, mixed, rolled_back, succeeded
    ready        doubt    failed, rolled_back, succeeded
    ready        ends     failed, rolled_back, succeeded
    ready        hiccup   succeeded
    ready        mute     failed, rolled_back, succeeded
    ready        old file succeeded
    ready        reboots  failed, mixed, rolled_back, succeeded
    ready        restarts rolled_back, succeeded
    ready        signal   cancelled
    ready        taken    superseded
    ready        unwell   failed, rolled_back, succeeded
    remove app   clock    succeeded
    remove app   dies     mixed, succeeded
    remove app   doubt    rolled_back, succeeded
    remove app   ends     succeeded
    remove app   hiccup   succeeded
    remove app   mute     succeeded
    remove app   old file succeeded
    remove app   reboots  mixed, succeeded
    remove app   restarts succeeded
    remove app   signal   cancelled, succeeded
    remove app   taken    superseded
    remove app   unwell   succeeded
    remove hosts clock    succeeded
    remove hosts dies     failed, mixed
    remove hosts doubt    failed
    remove hosts ends     failed, succeeded
    remove hosts hiccup   succeeded
    remove hosts mute     failed, succeeded
    remove hosts old file mixed, succeeded
    remove hosts reboots  failed, mixed
    remove hosts restarts failed, succeeded
    remove hosts signal   cancelled
    remove hosts taken    superseded
    remove hosts unwell   failed, succeeded
    repair       clock    succeeded
    repair       dies     failed, mixed, succeeded
    repair       doubt    failed, succeeded
    repair       ends     failed, succeeded
    repair       hiccup   succeeded
    repair       mute     failed, succeeded
    repair       old file mixed, succeeded
    repair       reboots  failed, mixed, succeeded
    repair       restarts failed, succeeded
    repair       signal   cancelled
    repair       taken    superseded
    repair       unwell   failed, succeeded
    restart      clock    succeeded
    restart      dies     failed, mixed, succeeded
    restart      doubt    failed, succeeded
    restart      ends     failed, succeeded
    restart      hiccup   succeeded
    restart      mute     failed, succeeded
    restart      old file mixed, succeeded
    restart      reboots  failed, mixed, succeeded
    restart      restarts failed, succeeded
    restart      signal   cancelled, succeeded
    restart      taken    superseded
    restart      unwell   failed, succeeded
    rests        clock    succeeded
    rests        dies     failed, mixed, rolled_back, succeeded
    rests        doubt    failed, rolled_back, succeeded
    rests        ends     failed, rolled_back, succeeded
    rests        hiccup   succeeded
    rests        mute     failed, rolled_back, succeeded
    rests        old file succeeded
    rests        reboots  failed, mixed, rolled_back, succeeded
    rests        restarts rolled_back, succeeded
    rests        signal   cancelled
    rests        taken    superseded
    rests        unwell   failed, rolled_back, succeeded
    rollback     clock    succeeded
    rollback     dies     failed, mixed, rolled_back, succeeded
    rollback     doubt    failed, rolled_back, succeeded
    rollback     ends     failed, rolled_back, succeeded
    rollback     hiccup   succeeded
    rollback     mute     failed, succeeded
    rollback     old file succeeded
    rollback     reboots  failed, mixed, rolled_back, succeeded
    rollback     restarts rolled_back, succeeded
    rollback     signal   cancelled
    rollback     taken    superseded
    rollback     unwell   failed, rolled_back, succeeded
    set down     clock    succeeded
    set down     dies     failed, mixed, rolled_back, succeeded
    set down     doubt    failed, rolled_back, succeeded
    set down     ends     failed, rolled_back, succeeded
    set down     hiccup   succeeded
    set down     mute     failed, rolled_back, succeeded
    set down     old file mixed, succeeded
    set down     reboots  failed, mixed, rolled_back, succeeded
    set down     restarts rolled_back, succeeded
    set down     signal   cancelled
    set down     taken    superseded
    set down     unwell   failed, rolled_back, succeeded
    shared       clock    succeeded
    shared       dies     failed, mixed, rolled_back, succeeded
    shared       doubt    failed, rolled_back, succeeded
    shared       ends     failed, rolled_back, succeeded
    shared       hiccup   succeeded
    shared       mute     failed, rolled_back, succeeded
    shared       old file succeeded
    shared       reboots  failed, mixed, rolled_back, succeeded
    shared       restarts rolled_back, succeeded
    shared       signal   cancelled
    shared       taken    superseded
    shared       unwell   failed, rolled_back, succeeded
    stage        clock    staged
    stage        dies     failed, staged
    stage        doubt    failed, staged
    stage        ends     failed, staged
    stage        hiccup   staged
    stage        mute     failed
    stage        old file staged
    stage        reboots  failed, staged
    stage        restarts staged
    stage        signal   cancelled
    stage        taken    superseded
    stage        unwell   failed, staged
    switch       clock    succeeded
    switch       dies     failed, mixed, rolled_back, succeeded
    switch       doubt    failed, rolled_back, succeeded
    switch       ends     failed, rolled_back, succeeded
    switch       hiccup   succeeded
    switch       mute     failed, succeeded
    switch       old file succeeded
    switch       reboots  failed, mixed, rolled_back, succeeded
    switch       restarts rolled_back, succeeded
    switch       signal   cancelled
    switch       taken    superseded
    switch       unwell   failed, rolled_back, succeeded
    sync         clock    succeeded
    sync         dies     failed, mixed, succeeded
    sync         doubt    failed, succeeded
    sync         ends     failed, succeeded
    sync         hiccup   succeeded
    sync         mute     failed, succeeded
    sync         old file succeeded
    sync         reboots  failed, mixed, succeeded
    sync         restarts failed, succeeded
    sync         signal   cancelled
    sync         taken    superseded
    sync         unwell   failed, succeeded
    undrain      clock    succeeded
    undrain      dies     failed, mixed, succeeded
    undrain      doubt    failed, succeeded
    undrain      ends     failed, succeeded
    undrain      hiccup   succeeded
    undrain      mute     failed, succeeded
    undrain      old file succeeded
    undrain      reboots  mixed, succeeded
    undrain      restarts succeeded
    undrain      signal   cancelled
    undrain      taken    superseded
    undrain      unwell   failed, succeeded
    weight       clock    succeeded
    weight       dies     failed, mixed, succeeded
    weight       doubt    failed, succeeded
    weight       ends     failed, succeeded
    weight       hiccup   succeeded
    weight       mute     failed, succeeded
    weight       old file succeeded
    weight       reboots  failed, mixed, succeeded
    weight       restarts succeeded
    weight       signal   cancelled
    weight       taken    superseded
    weight       unwell   failed, succeeded
    ");
}

//! Who reads which partition: as even as the readers' choices allow, with as little moved as that takes. A pure function
//! of who is there, who may have what, and who has it now.

use alloc::{collections::VecDeque, vec, vec::Vec};

/// A partition to be shared out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Share {
    /// Who is to have it, as an index of the members.
    pub(super) owner: Option<usize>,
    /// The owner has it already: moving it has a price.
    pub(super) held: bool,
}

/// Shares partitions out among members, who each want any (an empty list) or these (in rising order). What is shared out
/// stays where it is, unless a member that may have it, directly or by way of others, has fewer by two or more. So a
/// second call changes nothing.
pub(super) fn balance(members: &[&[u32]], shares: &mut [Share]) {
    let mut loads = vec![0usize; members.len()];
    for (partition, share) in shares.iter_mut().enumerate() {
        share.owner =
            share.owner.filter(|owner| members.get(*owner).is_some_and(|only| may(only, partition)));
        match share.owner {
            Some(owner) => loads[owner] += 1,
            None => share.held = false,
        }
    }
    for (partition, share) in shares.iter_mut().enumerate().filter(|(_, share)| share.owner.is_none()) {
        let able = (0..members.len()).filter(|member| may(members[*member], partition));
        share.owner = able.min_by_key(|member| loads[*member]);
        if let Some(owner) = share.owner {
            loads[owner] += 1;
        }
    }
    // Each step makes the sum of squares of the loads smaller.
    while step(members, &mut loads, shares) {}
}

fn may(only: &[u32], partition: usize) -> bool {
    only.is_empty() || only.binary_search(&(partition as u32)).is_ok()
}

/// Moves one partition from a member to one that has fewer by two, or a chain of them that comes to the same.
fn step(members: &[&[u32]], loads: &mut [usize], shares: &mut [Share]) -> bool {
    let least = loads.iter().copied().min().unwrap_or(0);
    let mut givers: Vec<usize> = (0..members.len()).filter(|member| loads[*member] >= least + 2).collect();
    givers.sort_by_key(|member| core::cmp::Reverse(loads[*member]));
    for giver in givers {
        let Some(chain) = chain(members, loads, shares, giver) else { continue };
        for (partition, to) in chain {
            if let Some(from) = shares[partition].owner {
                loads[from] -= 1;
            }
            loads[to] += 1;
            shares[partition] = Share { owner: Some(to), held: false };
        }
        return true;
    }
    false
}

/// The partitions that have to move, each with the member that it goes to, for `giver` to have one less and the member
/// with the fewest within reach one more.
fn chain(members: &[&[u32]], loads: &[usize], shares: &[Share], giver: usize) -> Option<Vec<(usize, usize)>> {
    let mut of: Vec<Vec<usize>> = vec![Vec::new(); members.len()];
    // What costs nothing to move first, then from the highest number down.
    for held in [false, true] {
        for (partition, share) in shares.iter().enumerate().rev().filter(|(_, share)| share.held == held) {
            if let Some(owner) = share.owner {
                of[owner].push(partition);
            }
        }
    }
    let mut reached: Vec<Option<(usize, usize)>> = vec![None; members.len()];
    let mut rest: Vec<usize> = (0..members.len()).filter(|member| *member != giver).collect();
    let mut next = VecDeque::from([giver]);
    while let Some(from) = next.pop_front() {
        for partition in &of[from] {
            rest.retain(|member| {
                let able = may(members[*member], *partition);
                if able {
                    reached[*member] = Some((*partition, from));
                    next.push_back(*member);
                }
                !able
            });
        }
    }
    let fewest =
        (0..members.len()).filter(|member| reached[*member].is_some()).min_by_key(|it| loads[*it])?;
    if loads[fewest] + 2 > loads[giver] {
        return None;
    }
    let mut chain = Vec::new();
    let mut member = fewest;
    while let Some((partition, from)) = reached[member].filter(|_| member != giver) {
        chain.push((partition, member));
        member = from;
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owners(shares: &[Share]) -> Vec<Option<usize>> {
        shares.iter().map(|share| share.owner).collect()
    }

    #[test]
    fn newcomers_get_the_surplus_and_no_more_is_moved() {
        let mut shares = [Share::default(); 5];
        balance(&[&[]], &mut shares);
        assert_eq!(owners(&shares), [Some(0); 5]);
        shares.iter_mut().for_each(|share| share.held = true);
        balance(&[&[], &[]], &mut shares);
        assert_eq!(owners(&shares), [Some(0), Some(0), Some(0), Some(1), Some(1)]);
        // What is on its way moves before what has arrived.
        shares[0].held = false;
        shares[3].held = true;
        balance(&[&[], &[], &[]], &mut shares);
        assert_eq!(owners(&shares), [Some(2), Some(0), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn members_that_want_certain_partitions_get_only_these() {
        let mut shares = [Share::default(); 3];
        balance(&[&[1], &[]], &mut shares);
        assert_eq!(owners(&shares), [Some(1), Some(0), Some(1)]);
        balance(&[&[1]], &mut shares);
        assert_eq!(owners(&shares), [None, Some(0), None]);
    }

    #[test]
    fn a_chain_of_moves_helps_who_is_not_reached_directly() {
        // 0 has all; 2 may have only what 1 could give away.
        let only: [&[u32]; 3] = [&[0, 1, 2], &[2, 3, 4], &[4]];
        let mut shares = [0, 0, 0, 1, 1].map(|owner| Share { owner: Some(owner), held: true });
        balance(&only, &mut shares);
        assert_eq!(owners(&shares), [Some(0), Some(0), Some(1), Some(1), Some(2)]);
    }

    /// The least sum of squares of loads that any sharing out has.
    fn best(members: &[Vec<u32>], partition: u32, partitions: u32, loads: &mut Vec<usize>) -> usize {
        if partition == partitions {
            return loads.iter().map(|load| load * load).sum();
        }
        let able: Vec<usize> =
            (0..members.len()).filter(|member| may(&members[*member], partition as usize)).collect();
        if able.is_empty() {
            return best(members, partition + 1, partitions, loads);
        }
        let tries = able.into_iter().map(|member| {
            loads[member] += 1;
            let cost = best(members, partition + 1, partitions, loads);
            loads[member] -= 1;
            cost
        });
        tries.min().unwrap_or(usize::MAX)
    }

    proptest! {
        #[test]
        fn every_sharing_out_is_the_evenest_there_is_and_stays(
            partitions in 1u32..6,
            wants in proptest::collection::vec(proptest::collection::btree_set(0u32..6, 0..3), 0..4),
            before in proptest::collection::vec((proptest::option::of(0usize..5), any::<bool>()), 6),
        ) {
            let wants: Vec<Vec<u32>> = wants.into_iter().map(|only| only.into_iter().collect()).collect();
            let members: Vec<&[u32]> = wants.iter().map(Vec::as_slice).collect();
            let shares = before.iter().map(|(owner, held)| Share { owner: *owner, held: *held });
            let mut shares: Vec<Share> = shares.take(partitions as usize).collect();
            balance(&members, &mut shares);
            let mut loads = vec![0; members.len()];
            for (partition, share) in shares.iter().enumerate() {
                let able = (0..members.len()).any(|member| may(members[member], partition));
                prop_assert_eq!(share.owner.is_some(), able, "nobody is left out, and nobody gets what he may not have");
                if let Some(owner) = share.owner {
                    prop_assert!(may(members[owner], partition));
                    loads[owner] += 1;
                }
            }
            let cost: usize = loads.iter().map(|load: &usize| load * load).sum();
            prop_assert_eq!(cost, best(&wants, 0, partitions, &mut vec![0; members.len()]));
            let stays = shares.clone();
            balance(&members, &mut shares);
            prop_assert_eq!(shares, stays);
        }

        #[test]
        fn without_wishes_the_loads_differ_by_one_and_nothing_else_moves(
            partitions in 1usize..20,
            members in 1usize..8,
            before in proptest::collection::vec(0usize..10, 20),
        ) {
            let mut shares: Vec<Share> =
                before[..partitions].iter().map(|owner| Share { owner: Some(*owner), held: true }).collect();
            let was = owners(&shares);
            balance(&vec![&[][..]; members], &mut shares);
            let load = |of: &[Option<usize>], member| of.iter().filter(|owner| **owner == Some(member)).count();
            let now = owners(&shares);
            let least = partitions / members;
            let most = partitions.div_ceil(members);
            let mut surplus = 0;
            for member in 0..members {
                prop_assert!((least..=most).contains(&load(&now, member)));
                surplus += load(&was, member).saturating_sub(load(&now, member));
            }
            let moved = (0..partitions).filter(|p| was[*p] < Some(members) && was[*p] != now[*p]).count();
            prop_assert_eq!(moved, surplus, "nobody both gives and takes");
        }
    }
}

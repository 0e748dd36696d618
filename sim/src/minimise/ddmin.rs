//! Delta debugging (Zeller and Hildebrandt, 2002), complements only: leaves out chunks of a list, from halves down to
//! single items, as long as what is left still shows something.

/// Leaves out what is not needed. `shows` says whether a list still shows what is wanted; it is never asked about the
/// list as it was given. In the end no single item can be left out, unless `shows` was not constant.
pub(super) fn ddmin<T: Clone>(items: &mut Vec<T>, mut shows: impl FnMut(&[T]) -> bool) {
    let mut chunk = items.len().div_ceil(2).max(1);
    loop {
        let mut removed = false;
        let mut at = 0;
        while at < items.len() {
            let end = (at + chunk).min(items.len());
            let rest: Vec<T> = items[..at].iter().chain(&items[end..]).cloned().collect();
            if shows(&rest) {
                *items = rest;
                removed = true;
            } else {
                at = end;
            }
        }
        match (chunk, removed) {
            (1, false) => return,
            (1, true) => {}
            _ => chunk = chunk.div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ddmin;

    #[test]
    fn what_is_left_is_needed() {
        for wanted in [vec![], vec![7], vec![0, 99], vec![3, 4, 50, 51, 52]] {
            let mut items: Vec<u32> = (0..100).collect();
            let mut asked = 0;
            ddmin(&mut items, |items| {
                asked += 1;
                wanted.iter().all(|n| items.contains(n))
            });
            assert_eq!(items, wanted);
            assert!(asked < 200, "{asked}");
        }
    }

    #[test]
    fn what_becomes_superfluous_later_goes_as_well() {
        // 1 is needed as long as 2 is there, 2 as long as 3 is there.
        let mut items = vec![1, 2, 3, 4];
        let stands = |items: &[i32], n: i32| !items.contains(&(n + 1)) || items.contains(&n);
        ddmin(&mut items, |items| {
            items.contains(&4) == items.contains(&3) || stands(items, 1) && stands(items, 2)
        });
        assert!(items.is_empty(), "{items:?}");
    }
}

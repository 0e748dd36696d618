//! Panics of simulated code, as findings: a machine that panics breaks the promise that every input is legal in every
//! state. The message is kept for the report instead of being printed once per seed; panics of anything else are
//! reported as usual.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs something; if it panics, says with what words and where.
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.get() {
                MESSAGE.with(|message| *message.borrow_mut() = Some(words(info)));
            } else {
                usual(info);
            }
        }));
    });
    let outer = WATCHED.replace(true);
    // What a panic may have left half done is dropped with the closure or only looked at.
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    WATCHED.set(outer);
    result.map_err(|_| MESSAGE.with(|message| message.borrow_mut().take()).unwrap_or_default())
}

/// The words of the last panic that somebody else has caught.
#[cfg(madsim)]
pub(crate) fn last_words() -> Option<String> {
    MESSAGE.with(|message| message.borrow_mut().take())
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "a panic without words".into());
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[test]
    fn a_panic_becomes_its_words_and_place() {
        assert_eq!(catch(|| 7), Ok(7));
        let said = catch(|| panic!("number {}", 7)).unwrap_err();
        assert!(said.starts_with("number 7 (") && said.contains("panics.rs:"), "{said}");
    }
}

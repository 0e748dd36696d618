//! "Did you mean": the nearest of the right words, where one is near enough to be meant.

/// Longer words than this are no slips of the finger.
const LONGEST: usize = 48;

/// The nearest of some right words; none if all are far.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let distance = |right: &str| strsim::damerau_levenshtein(&lower, &right.to_lowercase());
    let near = known.into_iter().map(|right| (distance(right), right));
    let (away, right) = near.min_by_key(|(away, _)| *away)?;
    let allowed = (word.chars().count().max(right.chars().count()) / 3).max(1);
    (away <= allowed).then_some(right)
}

/// Says that there is no such thing, and which there are: for what a [`System`](crate::system::System) does not know.
///
/// ```
/// let says = onceward_model::scenario::unknown("setting", "durabilty", ["durability", "batch"]);
/// assert_eq!(says, "there is no setting `durabilty`: did you mean `durability`?");
/// ```
pub fn unknown<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let missing = format!("there is no {what} `{}`", clip(word, LONGEST));
    match nearest(word, known.iter().copied()) {
        Some(right) => format!("{missing}: did you mean `{right}`?"),
        None if known.is_empty() => format!("{missing}; there is none at all"),
        None => {
            let all: Vec<String> = known.iter().map(|right| format!("`{right}`")).collect();
            format!("{missing}; there is {}", all.join(", "))
        }
    }
}

/// At most so many characters of a text.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["boots", "pauses", "resumes", "appends"];
        assert_eq!(nearest("boost", known), Some("boots"));
        assert_eq!(nearest("apends", known), Some("appends"));
        assert_eq!(nearest("Boots", known), Some("boots"));
        assert_eq!(nearest("explodes", known), None);
        assert_eq!(nearest("", known), None);
    }
}

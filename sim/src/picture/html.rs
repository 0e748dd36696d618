//! The page: one file that needs nothing else. What a run says is text in it and never markup: it is escaped where it is
//! written into the page, and the script puts it there as text. If a run has too much to show for one page, less of it
//! is shown, and the page says what is left out.

use super::{Recording, Style, diagram};
use crate::{
    minimise::{Parting, Passing},
    report::{at, grouped},
};
use std::fmt::Write;

/// No page has more bytes than this.
pub const LARGEST: usize = 1 << 20;

const TEMPLATE: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// How much of a run is tried, in steps and with states, from the most to the least.
const SIZES: [(u64, bool); 7] =
    [(u64::MAX, true), (200, true), (100, true), (50, true), (200, false), (50, false), (10, false)];

/// The page that shows a run; at most [`LARGEST`] bytes.
///
/// # Errors
/// Even its smallest form is too large: a plan or a message of its own is.
pub fn page(recording: &Recording) -> Result<String, String> {
    let mut size = 0;
    for (steps, states) in SIZES {
        let mut shown = recording.narrowed(steps);
        if !states {
            shown = shown.without_states();
        }
        let page = fill(&shown)?;
        if page.len() <= LARGEST {
            return Ok(page);
        }
        size = page.len();
    }
    Err(format!(
        "the page would have {size} bytes, more than {LARGEST}: the run's plan or its messages are too long"
    ))
}

fn fill(recording: &Recording) -> Result<String, String> {
    let data = serde_json::to_string(recording).map_err(|error| format!("the run is no JSON: {error}"))?;
    let mut page = String::with_capacity(data.len() + 64 * 1024);
    let mut rest = TEMPLATE;
    // One pass over the template: what is filled in is never looked at again.
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name {
            "title" => page.push_str(&escaped(&title(recording))),
            "css" => page.push_str(CSS),
            "head" => page.push_str(&head(recording)),
            "replay" => page.push_str(&escaped(&recording.replay)),
            "plan" => page.push_str(&escaped(&recording.plan)),
            "text" => page
                .push_str(&escaped(&diagram(&recording.narrowed(120), Style { width: 110, colour: false }))),
            "data" => page.push_str(&inert(&data)),
            "script" => page.push_str(SCRIPT),
            _ => {}
        }
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn title(recording: &Recording) -> String {
    match &recording.broken {
        Some(broken) => format!("{}: {}, seed {}", broken.promise, recording.name, recording.seed),
        None => format!("{}, seed {}", recording.name, recording.seed),
    }
}

/// The promise, the contradiction, and what the scenario is about.
fn head(recording: &Recording) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let name = escaped(&recording.name);
    let seed = recording.seed;
    match &recording.broken {
        None => {
            let _ = write!(
                html,
                "<h1><span class=\"id kept\">no promise broken</span> · {name}, seed {seed}</h1>"
            );
        }
        Some(broken) => {
            let promise = escaped(&broken.promise);
            let _ = write!(html, "<h1><span class=\"id\">✗ {promise}</span> · {name}, seed {seed}</h1>");
            if !broken.says.is_empty() {
                let _ = write!(html, "<p class=\"says\"><b>Promised:</b> {}</p>", escaped(&broken.says));
            }
            let _ = write!(html, "<p class=\"what\">{}</p>", escaped(&broken.what));
        }
    }
    // A scenario that a failure was made into tells of it in its comment: once is enough.
    let told = recording.broken.as_ref().is_some_and(|broken| recording.about.contains(&broken.what));
    if !recording.about.is_empty() && !told {
        let _ = write!(html, "<p class=\"about\">{}</p>", escaped(&recording.about));
    }
    if let Some(broken) = &recording.broken
        && !broken.evidence.is_empty()
    {
        html.push_str("<ol class=\"evidence\" aria-label=\"The steps that contradict the promise\">");
        for (step, nanos, what) in &broken.evidence {
            let (time, what) = (moment(*nanos), escaped(what));
            let _ = write!(
                html,
                "<li><button type=\"button\" data-step=\"{step}\"><b>step {step}</b> <time>{time}</time> \
                 <span>{what}</span></button></li>"
            );
        }
        html.push_str("</ol>");
    }
    if let Some(leading) = recording.leading {
        let of = recording.total;
        let _ = match of - leading.min(of) {
            0 => write!(html, "<p class=\"slice\"><b>All {} steps lead to it.</b></p>", grouped(of)),
            _ => write!(
                html,
                "<p class=\"slice\"><b>{} of {} steps lead to it.</b> The others are faded: no chain of messages, disk \
                 operations or steps of one process goes from them to the contradiction. <button type=\"button\" \
                 class=\"btn\" id=\"slice\" aria-pressed=\"true\">fade them (s)</button></p>",
                grouped(leading),
                grouped(of)
            ),
        };
    }
    if let Some(passing) = recording.passing() {
        html.push_str(&nearest(passing));
    } else if let Some(nearest) = recording.nearest.as_ref().filter(|nearest| nearest.tried > 0) {
        let tried = grouped(nearest.tried);
        let _ = write!(html, "<p class=\"slice\">None of {tried} runs that are one change away passes.</p>");
    }
    html
}

/// The closest run that passes, and where the two part.
fn nearest(passing: &Passing) -> String {
    let side = |side: &Option<Parting>| match side {
        Some(Parting { nanos, what }) => format!("<time>{}</time> {}", moment(*nanos), escaped(what)),
        None => "nothing more happens".to_owned(),
    };
    let (change, step) = (escaped(&passing.change), passing.step);
    format!(
        "<div class=\"passing\"><b>It passes</b> {change}. <button type=\"button\" class=\"link\" \
         data-step=\"{step}\">The runs part at step {step}</button>.<dl><dt>here</dt><dd>{}</dd><dt>there</dt><dd>{}</dd>\
         </dl></div>",
        side(&passing.here),
        side(&passing.there)
    )
}

/// Simulated time as the script writes it: with a space before the unit.
fn moment(nanos: u64) -> String {
    let mut text = at(nanos);
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    text.insert(unit, ' ');
    text
}

/// Text for a page.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // Neither HTML nor XML has a place for these.
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                html.push('\u{fffd}');
            }
            c => html.push(c),
        }
    }
    html
}

/// JSON that can stand in a script element: nothing in it ends the element or begins a comment.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text
}

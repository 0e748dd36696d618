//! A measurement as a page: one file that needs nothing else. For each bug the interval of its median on a scale of
//! seeds, by means; which promises it broke, as a map; and the verdict.

use super::{
    Means, Power,
    result::{Row, Seen},
    stats::{Point, Quantile},
    table::percent,
};
use crate::{gate::HARNESS, picture::escaped, report::grouped};
use std::fmt::Write;

const CSS: &str = include_str!("page.css");
/// Width of the scale, and of the place at its end for what was not seen, in the drawing's units.
const SCALE: (f64, f64) = (220.0, 26.0);

/// The page.
pub fn page(power: &Power) -> String {
    let mut body = String::new();
    head(power, &mut body);
    let mut kinds: Vec<&str> = power.mutants.iter().map(|row| &*row.of).collect();
    kinds.dedup();
    for kind in kinds {
        let rows: Vec<&Row> = power.mutants.iter().filter(|row| row.of == kind).collect();
        // Writing to a string cannot fail, here and below.
        let _ = write!(body, "<section><h2>Mutants of {}</h2>", escaped(kind));
        if kind == HARNESS {
            self_tests(&rows, &mut body)
        } else {
            figures(&rows, &mut body)
        }
        body.push_str("</section>\n");
    }
    matrix(power, &mut body);
    controls(power, &mut body);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <title>What the harness catches</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn head(power: &Power, html: &mut String) {
    html.push_str("\n<header><h1>What the harness catches, and how soon</h1>");
    let (all, fallen) = power.by_plans();
    let good = power.reasons.is_empty();
    let class = if good { "good" } else { "bad" };
    if all > 0 {
        let _ = write!(
            html,
            "<p class=\"lead\"><b class=\"{class}\">{fallen} of {all}</b> mutants of systems ({}) fall to random \
             plans within {} CPU-s, in half of the trials at least.</p>",
            percent(fallen as u64, all as u64),
            power.budget
        );
    }
    for reason in &power.reasons {
        let _ = write!(html, "<p class=\"bad\">✗ {}</p>", escaped(reason));
    }
    let whole = if power.complete { "" } else { " <b class=\"bad\">Incomplete: the time was up.</b>" };
    let _ = write!(
        html,
        "<p class=\"soft\">{} CPU-s in all, build {}.{whole} Intervals are of 95 %, by the order of values alone. \
         A trial that saw nothing is later than all that did: <b>&gt;</b>. <b>?</b>: so few trials do not \
         say. On the scale: the median (dot), its interval (bar), the 95th percentile (stroke). <i>Reached</i>: runs \
         that came to the mutant's place at all.</p></header>",
        grouped(power.cpu as u64),
        escaped(&power.build)
    );
}

/// The number of seeds at the right end of the scale: a power of ten that nothing exceeds.
fn end(rows: &[&Row]) -> f64 {
    let points = rows.iter().filter_map(|row| row.by.get(&row.main())).flat_map(|seen| {
        let Quantile { value, high, .. } = seen.seeds.median;
        [value, high, seen.seeds.p95.value]
    });
    let most = points.filter_map(Point::at).fold(10.0, f64::max);
    10f64.powi(most.log10().ceil() as i32)
}

fn figures(rows: &[&Row], html: &mut String) {
    let end = end(rows);
    let of_system = rows.iter().any(|row| row.is_of_system());
    html.push_str(
        "<div class=\"wide\"><table><thead><tr><th>mutant</th><th>promise</th><th class=\"n\">caught</th>\
         <th class=\"n\">median seeds</th><th class=\"n\">95th</th><th>",
    );
    let _ = write!(
        html,
        "1 … {} seeds, then never</th><th class=\"n\">CPU-s</th><th class=\"n\">95th</th>",
        grouped(end as u64)
    );
    if of_system {
        html.push_str(
            "<th class=\"n\">reached</th><th class=\"n\">wrong reason</th><th class=\"n\">scenarios</th>\
             <th>shell</th><th>check</th>",
        );
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        figure(row, end, of_system, html);
    }
    html.push_str("</tbody></table></div>");
}

fn figure(row: &Row, end: f64, of_system: bool, html: &mut String) {
    let main = row.by.get(&row.main());
    let falls = main.is_some_and(Seen::falls);
    let class = if falls { "" } else { " class=\"missed\"" };
    let (name, promise) = (escaped(&row.mutant), escaped(&row.intended));
    let by = main.and_then(|seen| seen.first.as_deref()).unwrap_or("not seen");
    let _ =
        write!(html, "<tr{class}><th scope=\"row\" title=\"{}\">{name}</th><td>{promise}</td>", escaped(by));
    match main {
        None => html.push_str("<td colspan=\"6\">not measured</td>"),
        Some(seen) => {
            number(html, &format!("{}/{}", seen.caught, seen.trials));
            number(html, &seen.seeds.median.to_string());
            number(html, &seen.seeds.p95.to_string());
            let _ = write!(html, "<td>{}</td>", interval(seen, end));
            number(html, &seen.cpu.median.to_string());
            number(html, &seen.cpu.p95.value.to_string());
        }
    }
    if of_system {
        number(html, &row.reached.map_or(String::new(), |(seen, of)| percent(seen, of)));
        number(html, &grouped(row.wrong));
        let of = |means| row.by.get(&means);
        number(
            html,
            &of(Means::Scenarios)
                .filter(|seen| seen.all_seeds > 0)
                .map_or(String::new(), |seen| grouped(seen.shown)),
        );
        let shell = of(Means::Shell).map_or(String::new(), |seen| {
            format!("{} ({}/{})", seen.seeds.median.value, seen.caught, seen.trials)
        });
        let check = of(Means::Check).map_or("", |seen| seen.first.as_deref().unwrap_or("–"));
        let _ = write!(html, "<td>{}</td><td>{}</td>", escaped(&shell), escaped(check));
    }
    html.push_str("</tr>");
    let stuck: Vec<String> = row
        .by
        .iter()
        .flat_map(|(means, seen)| {
            seen.stuck.iter().map(move |s| format!("{}: {} {}", means.name(), s.at, s.how))
        })
        .collect();
    if let Some(first) = stuck.first() {
        let more = if stuck.len() > 1 { format!(", and {} more", stuck.len() - 1) } else { String::new() };
        let first = escaped(first);
        let _ = write!(
            html,
            "<tr class=\"note\"><td colspan=\"13\">a run did not come back ({first}{more})</td></tr>"
        );
    }
}

fn number(html: &mut String, text: &str) {
    let _ = write!(html, "<td class=\"n\">{}</td>", escaped(text));
}

/// The interval of the median, the median and the 95th percentile, on a logarithmic scale.
fn interval(seen: &Seen, end: f64) -> String {
    let (wide, beyond) = SCALE;
    let place = |point: Point, unknown: f64| match point {
        Point::At(value) => (value.max(1.0).log10() / end.log10() * wide).min(wide),
        Point::Beyond => wide + beyond / 2.0,
        Point::Unknown => unknown,
    };
    let Quantile { value, low, high } = seen.seeds.median;
    let (from, to) = (place(low, 0.0), place(high, wide + beyond));
    let (median, p95) = (place(value, 0.0), place(seen.seeds.p95.value, wide));
    let label = escaped(&format!("median {}, 95th percentile {}", seen.seeds.median, seen.seeds.p95.value));
    format!(
        "<svg width=\"{w}\" height=\"16\" viewBox=\"-5 0 {v} 16\" role=\"img\" aria-label=\"{label}\">\
         <path class=\"axis\" d=\"M0 8H{wide}M{wide} 2V14\"/><path class=\"ci\" d=\"M{from:.1} 8H{to:.1}\"/>\
         <circle class=\"mid\" cx=\"{median:.1}\" cy=\"8\" r=\"4\"/><path class=\"p95\" d=\"M{p95:.1} 3V13\"/></svg>",
        w = wide + beyond + 10.0,
        v = wide + beyond + 10.0
    )
}

fn self_tests(rows: &[&Row], html: &mut String) {
    html.push_str(
        "<div class=\"wide\"><table><thead><tr><th>mutant</th><th>self-test</th><th class=\"n\">CPU-s</th>\
         <th>what it saw</th></tr></thead><tbody>",
    );
    for row in rows {
        let seen = row.by.get(&Means::SelfTests);
        let class = if seen.is_some_and(Seen::falls) { "" } else { " class=\"missed\"" };
        let (name, test) = (escaped(&row.mutant), escaped(&row.intended));
        let _ = write!(html, "<tr{class}><th scope=\"row\">{name}</th><td>{test}</td>");
        number(html, &seen.map_or(String::new(), |seen| format!("{:.1}", seen.all_cpu)));
        let by = seen.and_then(|seen| seen.first.as_deref()).unwrap_or("nothing");
        let _ = write!(html, "<td>{}</td></tr>", escaped(by));
    }
    html.push_str("</tbody></table></div>");
}

/// Bugs by promises: the darker, the larger the share of the runs that broke a promise which broke this one first.
fn matrix(power: &Power, html: &mut String) {
    let rows: Vec<&Row> =
        power.mutants.iter().filter(|row| row.of != HARNESS && !row.broken.is_empty()).collect();
    if rows.is_empty() {
        return;
    }
    // In the order in which they are first met, so that what belongs together stays so.
    let mut promises: Vec<&str> = Vec::new();
    for promise in rows.iter().flat_map(|row| std::iter::once(&row.intended).chain(row.broken.keys())) {
        if !promises.contains(&&**promise) {
            promises.push(promise);
        }
    }
    html.push_str(
        "<section><h2>Mutant × promise</h2><p class=\"soft\">Of the runs that broke any promise, the share that broke \
         this one first. Framed: the promise that the mutant must be seen to break; everything else is a kill for \
         another reason.</p><div class=\"wide\"><table class=\"map\"><thead><tr><th>mutant</th><th class=\"n\">runs</th>",
    );
    for promise in &promises {
        let _ = write!(html, "<th class=\"up\"><span>{}</span></th>", escaped(promise));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        let all: u64 = row.broken.values().sum();
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(&row.mutant));
        number(html, &grouped(all));
        for promise in &promises {
            let times = row.broken.get(*promise).copied().unwrap_or(0);
            let aim = if **promise == row.intended { " aim" } else { "" };
            if times == 0 {
                let _ = write!(html, "<td class=\"c{aim}\"></td>");
                continue;
            }
            let share = times as f64 / all as f64;
            let (heat, text) = ((share.sqrt() * 100.0).round(), (share * 100.0).round());
            let text = if text < 1.0 { "<1".to_owned() } else { text.to_string() };
            let title = escaped(&format!("{} broke {promise} in {times} of {all} runs", row.mutant));
            let dark = if heat > 60.0 { " dark" } else { "" };
            let _ = write!(
                html,
                "<td class=\"c{aim}{dark}\" style=\"--heat:{heat}%\" title=\"{title}\">{}</td>",
                escaped(&text)
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div></section>\n");
}

fn controls(power: &Power, html: &mut String) {
    html.push_str("<section><h2>Without a mutant, and not measured</h2><ul>");
    for control in &power.controls {
        let times: u64 = control.alarms.values().sum();
        let (class, what) = if control.examples.is_empty() {
            ("good", "no false alarm".to_owned())
        } else {
            ("bad", format!("{times} false alarms: {}", control.examples.join("; ")))
        };
        let _ = write!(
            html,
            "<li>{} runs of {} ({}): <b class=\"{class}\">{}</b></li>",
            grouped(control.seeds),
            escaped(&control.system),
            control.means.name(),
            escaped(&what)
        );
    }
    for what in &power.not_measured {
        let _ = write!(html, "<li>not measured: {}</li>", escaped(what));
    }
    html.push_str("</ul></section>\n");
}

//! A metric by the clock, and schedules wherever they stand.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::metric::Fields;
use crate::config::decode::{accept, checked, duration, integer, list, number, spanned, string};
use crate::config::source::quoted;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, MapDecoder, Node, Spanned, did_you_mean};
use crate::core::guard::Guards;
use crate::core::metric::{
    Aggregate, Direction, Formula, Input, Metric, Missing, Scope, Semantics, Target, Weighted,
};
use crate::core::schedule::{BadCron, BadWindow, Cron, Dates, Days, Schedule, Window, zone, zone_names};
use crate::core::signal::Signal;
use crate::core::time::Human;

/// More windows than anybody follows.
const MAX_WINDOWS: usize = 16;
/// More dates than a year has.
const MAX_DATES: usize = 366;
const MAX_REPLICAS: u64 = 1_000_000;
/// The largest value that is served.
const MAX_VALUE: f64 = 1e12;
/// The unit of a value that states none.
const NO_UNIT: &str = "unspecified";

/// What a window wants.
#[derive(Debug, Clone, Copy)]
struct Amount {
    value: f64,
    is_replicas: bool,
}

/// The fields of a window as written.
struct Parts<'n> {
    start: Option<(Cron, &'n Node)>,
    end: Option<(Cron, &'n Node)>,
    amount: Option<Amount>,
    ramp: Option<Spanned<Duration>>,
}

/// A metric that is a schedule: replicas, or a value of another kind.
pub(super) fn metric(diags: &mut Diagnostics, fields: &Fields<'_>, node: &Node) -> Option<Metric> {
    let decoded = decode(diags, node);
    let is_replicas = decoded.as_ref().is_some_and(|(_, is_replicas)| *is_replicas);
    refuse_fields(diags, fields, is_replicas);
    let (schedule, _) = decoded?;
    let unit = if is_replicas { "replicas" } else { NO_UNIT };
    let target = Target { value: 1.0, why: Some("it is a number of replicas".to_owned()) };
    let semantics = fields.semantics.map_or(Semantics::Extensive, |semantics| semantics.value);
    Some(Metric {
        name: fields.name.as_ref().map_or("", |name| &name.value).into(),
        help: if is_replicas { "Replicas by the clock." } else { "A value by the clock." }.into(),
        unit: fields.unit.as_ref().map_or(unit, |unit| &unit.value).into(),
        semantics,
        direction: fields.direction.map_or(Direction::Neither, |direction| direction.value),
        range: fields.range.map(|range| range.value),
        aggregate: Aggregate::Max,
        inputs: vec![Input {
            engine: "schedule".into(),
            detect: Arc::default(),
            signal: Arc::new(Signal::Schedule(Arc::new(schedule))),
            formula: Formula::Linear(vec![Weighted {
                term: 0,
                weight: 1.0,
                optional: false,
                nonzero: false,
            }]),
        }],
        composite: None,
        source: None,
        scope: Scope::Cluster,
        hold: Semantics::Extensive.default_hold(),
        refresh: None,
        absent: Missing::Error,
        idle: Missing::Error,
        negative: Missing::Error,
        target: is_replicas.then_some(target),
        guards: Guards::default(),
    })
}

/// Reports what means nothing to a schedule.
fn refuse_fields(diags: &mut Diagnostics, fields: &Fields<'_>, is_replicas: bool) {
    let mut refuse = |span: Option<crate::config::Span>, message: &str, hint: &str| {
        if let Some(span) = span {
            diags.error_at(&span, message).hint(hint);
        }
    };
    let source = fields.source.as_ref().map(|source| source.span);
    refuse(source, "a schedule is read by the clock and from no source", "remove `source`");
    let window = fields.window.as_ref().map(|window| window.span);
    refuse(window, "`window` is for rates: a schedule has `windows` in itself", "remove `window`");
    let aggregate = fields.aggregate.as_ref().map(|aggregate| aggregate.span);
    refuse(aggregate, "a schedule is one number already", "remove `aggregate`");
    let scope = fields.scope.filter(|scope| scope.value == Scope::Namespace);
    refuse(scope.map(|scope| scope.span), "a schedule belongs to no namespace", "remove `scope`");
    if is_replicas {
        let semantics = fields.semantics.filter(|semantics| semantics.value == Semantics::Intensive);
        let hint = "remove `type`, or write `value` in place of `replicas`";
        refuse(semantics.map(|semantics| semantics.span), "replicas are an extensive number", hint);
        let unit = fields.unit.as_ref().filter(|unit| unit.value != "replicas");
        let hint = "remove `unit`, or write `value` in place of `replicas`";
        refuse(unit.map(|unit| unit.span), "the unit of `replicas` is replicas", hint);
    }
}

/// The schedule, and whether it is of replicas.
fn decode(diags: &mut Diagnostics, node: &Node) -> Option<(Schedule, bool)> {
    let mut map = node.mapping(diags, "a schedule")?;
    let timezone = map.required("timezone", diags, timezone);
    let dates = dates(&mut map, diags);
    let windows = match map.get("windows") {
        None => {
            let parts = parts(&mut map, diags);
            let otherwise = map.optional("otherwise", diags, amount);
            map.finish(diags);
            return Some(whole(timezone?, vec![window(diags, parts, dates?)?], otherwise));
        }
        Some((_, list)) => list,
    };
    for name in ["start", "end", "replicas", "value", "ramp"] {
        if let Some((key, _)) = map.get(name) {
            diags
                .error_at(&key.span, format!("`windows` and `{name}` exclude each other"))
                .hint("write it in each of the windows");
        }
    }
    let otherwise = map.optional("otherwise", diags, amount);
    map.finish(diags);
    let items = windows.items(diags, "a list of windows")?;
    if items.is_empty() || items.len() > MAX_WINDOWS {
        diags.error_at(&windows.span, format!("a schedule has 1 to {MAX_WINDOWS} windows"));
        return None;
    }
    // All are read, so that all their mistakes are reported.
    let decoded: Vec<_> = items.iter().map(|item| of_list(diags, item, dates.as_ref())).collect();
    Some(whole(timezone?, decoded.into_iter().collect::<Option<_>>()?, otherwise))
}

fn whole(timezone: TimeZone, windows: Vec<(Window, bool)>, otherwise: Option<f64>) -> (Schedule, bool) {
    let is_replicas = windows.iter().all(|(_, is_replicas)| *is_replicas);
    let windows = windows.into_iter().map(|(window, _)| window).collect();
    (Schedule::new(timezone, windows, otherwise.unwrap_or(0.0)), is_replicas)
}

/// One of several windows. Dates of its own take the place of the schedule's.
fn of_list(diags: &mut Diagnostics, node: &Node, common: Option<&Dates>) -> Option<(Window, bool)> {
    let mut map = node.mapping(diags, "a window")?;
    let parts = parts(&mut map, diags);
    let own = dates(&mut map, diags);
    map.finish(diags);
    let own = own?;
    let dates = if own == Dates::default() { common?.clone() } else { own };
    window(diags, parts, dates)
}

fn parts<'n>(map: &mut MapDecoder<'n>, diags: &mut Diagnostics) -> Parts<'n> {
    let start = map.required("start", diags, |diags, node| Some((cron(diags, node)?, node)));
    let end = map.required("end", diags, |diags, node| Some((cron(diags, node)?, node)));
    let amount = match map.choice(&["replicas", "value"], true, diags) {
        Some(("replicas", node)) => integer(0..=MAX_REPLICAS)(diags, node)
            .map(|replicas| Amount { value: replicas as f64, is_replicas: true }),
        Some((_, node)) => amount(diags, node).map(|value| Amount { value, is_replicas: false }),
        None => None,
    };
    let ramp = map.optional("ramp", diags, spanned(duration));
    Parts { start, end, amount, ramp }
}

fn window(diags: &mut Diagnostics, parts: Parts<'_>, dates: Dates) -> Option<(Window, bool)> {
    let Parts { start, end, amount, ramp } = parts;
    let ((start, start_node), (end, end_node), amount) = (start?, end?, amount?);
    let length = ramp.map_or(Duration::ZERO, |ramp| ramp.value);
    let built = Window::new(start, end, amount.value, length, dates);
    let wrong = match built {
        Ok(window) => return Some((window, amount.is_replicas)),
        Err(wrong) => wrong,
    };
    let (span, hint) = match wrong {
        BadWindow::Same => (end_node.span, "for a value at all times, write it as `otherwise`".to_owned()),
        BadWindow::Often(_) => {
            (start_node.span, "let it open and close every quarter of an hour at most".to_owned())
        }
        BadWindow::Dates => (start_node.span, "see `onlyDates` and `exceptDates`".to_owned()),
        BadWindow::Ramp(gap) => {
            (ramp.map_or(start_node.span, |ramp| ramp.span), format!("use `{}` at most", Human(gap)))
        }
    };
    diags.error_at(&span, wrong.to_string()).hint(hint);
    None
}

fn cron(diags: &mut Diagnostics, node: &Node) -> Option<Cron> {
    let text = string(diags, node)?;
    let read = Cron::parse(&text).map_err(|BadCron { message, hint, place }| {
        let refusal = Refusal::new(message).hint(hint);
        match place {
            Some(place) => refusal.over(place),
            None => refusal,
        }
    });
    accept(diags, node, read)
}

fn amount(diags: &mut Diagnostics, node: &Node) -> Option<f64> {
    let within = |value: f64| {
        if (0.0..=MAX_VALUE).contains(&value) {
            Ok(value)
        } else {
            Err(Refusal::new("a schedule's value is between 0 and 1e12"))
        }
    };
    checked(number, within)(diags, node)
}

fn timezone(diags: &mut Diagnostics, node: &Node) -> Option<TimeZone> {
    let text = string(diags, node)?;
    let known = zone(&text).ok_or_else(|| {
        let refusal = Refusal::new(format!("no time zone is called {}", quoted(&text)));
        match nearest(&text) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint("write a name of the IANA database, like `Europe/Amsterdam` or `UTC`"),
        }
    });
    accept(diags, node, known)
}

/// The zone that was probably meant, by its whole name or its city.
fn nearest(text: &str) -> Option<String> {
    let names: Vec<String> = zone_names().collect();
    let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let by_city = || {
        let cities: Vec<String> = names.iter().map(|name| city(name)).collect();
        let near = did_you_mean(&city(text), cities.iter().map(String::as_str))?;
        names.iter().find(|name| city(name) == near).cloned()
    };
    let by_name = || did_you_mean(text, names.iter().map(String::as_str)).map(str::to_owned);
    if text.contains('/') { by_name().or_else(by_city) } else { by_city().or_else(by_name) }
}

/// The dates of a schedule or a window; `None` where one is wrong.
fn dates(map: &mut MapDecoder<'_>, diags: &mut Diagnostics) -> Option<Dates> {
    let mut read = |name| match map.get(name) {
        None => Some(Vec::new()),
        Some((_, node)) => {
            let days = list(day)(diags, node)?;
            if days.is_empty() || days.len() > MAX_DATES {
                diags.error_at(&node.span, format!("`{name}` has 1 to {MAX_DATES} dates"));
                return None;
            }
            Some(days)
        }
    };
    let (except, only) = (read("exceptDates"), read("onlyDates"));
    Some(Dates { except: except?, only: only? })
}

fn day(diags: &mut Diagnostics, node: &Node) -> Option<Days> {
    let usage = "write `2026-12-25`, `12-25` for every year, or a range of them like `12-24..01-01`";
    checked(string, |text| Days::parse(&text).map_err(|message| Refusal::new(message).hint(usage)))(
        diags, node,
    )
}

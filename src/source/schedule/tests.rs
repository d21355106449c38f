use super::*;
use crate::core::fixtures::waiting;
use crate::core::schedule::{Cron, Dates, Schedule, Window, zone};

/// From 8 to 20 o'clock there is a value of 3, growing for two minutes before.
fn signal(end: &str) -> Arc<Signal> {
    let (start, end) = (Cron::parse("0 8 * * *").unwrap(), Cron::parse(end).unwrap());
    let window = Window::new(start, end, 3.0, Duration::from_mins(2), Dates::default()).unwrap();
    Arc::new(Signal::Schedule(Arc::new(Schedule::new(zone("UTC").unwrap(), vec![window], 0.0))))
}

fn at(time: &str) -> Timestamp {
    let time = format!("2026-11-22T{time}Z");
    Timestamp::from_millis(time.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

#[tokio::test]
async fn a_schedule_is_one_series_without_labels_as_old_as_its_reading() {
    let (clock, signal) = (Clock::default(), signal("0 20 * * *"));
    let answer = clock.fetch(&signal, &Coverage::Cluster, at("09:00:00")).await.unwrap();
    let [series] = answer.set.all() else { panic!("{answer:?}") };
    assert_eq!((series.labels.iter().count(), &*series.cells), (0, &[Some(3.0)][..]));
    assert_eq!((answer.set.columns(), series.at), (&[Column::Term(0)][..], at("09:00:00")));
    assert!(clock.describe(&signal, &Coverage::Cluster).starts_with("3 from `0 8 * * *` to"));
}

#[tokio::test]
async fn what_is_remembered_ends_when_the_value_may_change_and_is_no_memory_of_later() {
    let (clock, signal) = (Clock::default(), signal("0 20 * * *"));
    for (time, value) in [
        ("07:57:59.999", 0.0),
        ("07:58:00", 0.0),
        ("07:58:39.999", 0.0),
        ("07:58:40", 1.0),
        ("07:59:20", 2.0),
        ("08:00:00", 3.0),
        ("19:59:59.999", 3.0),
        ("20:00:00", 0.0),
        // A clock that was set back.
        ("19:00:00", 3.0),
        ("07:59:00", 1.0),
    ] {
        let answer = clock.fetch(&signal, &Coverage::Cluster, at(time)).await.unwrap();
        assert_eq!(answer.set.all()[0].cells[0], Some(value), "{time}");
    }
    assert_eq!(clock.known.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn schedules_of_former_configurations_are_forgotten() {
    let clock = Clock::default();
    for minute in 0..50 {
        let now = at("08:30:00").plus(Duration::from_hours(24) * minute);
        clock.fetch(&signal(&format!("{minute} 20 * * *")), &Coverage::Cluster, now).await.unwrap();
    }
    assert_eq!(clock.known.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn it_reads_schedules_only() {
    let clock = Clock::default();
    assert!(clock.can_read(&signal("0 20 * * *")) && !clock.can_read(&waiting()));
    let other = clock.fetch(&Arc::new(waiting()), &Coverage::Cluster, at("09:00:00")).await;
    assert_eq!(other.unwrap_err().to_string(), "query refused: the clock reads schedules only");
}

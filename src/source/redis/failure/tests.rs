use redis::{RedisError, Value};

use super::*;

/// What a server says, as the driver reads it.
fn server(line: &str) -> RedisError {
    let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
    Value::extract_error(value).unwrap_err()
}

fn said(line: &str) -> SourceError {
    Failure::of(&server(line), "redis:6379", "LLEN jobs").error
}

#[test]
fn what_a_server_says_becomes_a_sentence() {
    for (line, expected) in [
        ("NOAUTH Authentication required.", "redis:6379 asks for a password: configure `auth`"),
        ("WRONGPASS invalid username-password pair", "redis:6379 refuses the user's name or password"),
        (
            "NOPERM User x has no permissions to run the 'llen' command",
            "query refused: the user of this source has no right to LLEN jobs",
        ),
        (
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "query refused: the key is of another type: LLEN jobs",
        ),
        ("LOADING Redis is loading the dataset in memory", "redis:6379 is loading its data"),
        ("MASTERDOWN Link with MASTER is down", "redis:6379 is a replica that has lost its primary"),
        ("CLUSTERDOWN The cluster is down", "redis:6379 is down: some slots are served by nobody"),
        (
            "MOVED 3999 10.0.0.2:6381",
            "query refused: redis:6379 has not this key's slot: for a Redis Cluster, configure `cluster` \
             instead of `url`",
        ),
        ("ERR no such key", "query refused: no such key: LLEN jobs"),
        ("ERR unknown command `LLEN`", "query refused: ERR to LLEN jobs"),
        ("BUSY Redis is busy running a script", "query refused: BUSY to LLEN jobs"),
    ] {
        assert_eq!(said(line).to_string(), expected, "{line}");
    }
    let missing = "ERR This instance has cluster support disabled";
    assert!(said(missing).to_string().contains("configure `url` instead of `cluster`"), "{}", said(missing));
}

#[test]
fn nothing_that_a_server_says_is_repeated() {
    for line in ["ERR hunter2", "HUNTER2 hunter2", "hunter2 hunter2", "WRONGPASS hunter2", "NOPERM hunter2"] {
        assert!(!said(line).to_string().contains("hunter2"), "{line}: {}", said(line));
    }
}

#[test]
fn a_connection_is_given_up_when_it_is_of_no_use() {
    let lost = |error: &RedisError| Failure::of(error, "redis:6379", "LLEN jobs").lost;
    for kind in [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::TimedOut, std::io::ErrorKind::Other] {
        assert!(lost(&std::io::Error::from(kind).into()));
    }
    assert!(lost(&server("NOAUTH x")) && lost(&redis::parse_redis_value(b"?\r\n").unwrap_err()));
    assert!(!lost(&server("LOADING x")) && !lost(&server("WRONGTYPE x")) && !lost(&server("NOPERM x")));
}

#[test]
fn long_words_of_others_are_cut() {
    assert_eq!(shown("a\nb"), "a\u{fffd}b");
    assert_eq!(shown(&"x".repeat(1_000)).chars().count(), MAX_SHOWN + 1);
}

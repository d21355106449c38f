//! A real Redis.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::command::{Process, output, text};
use super::{free_port, seconds, until};

pub(crate) struct Redis {
    process: Process,
    directory: TempDir,
    port: u16,
    config: String,
    /// How `redis-cli` gets in.
    login: Vec<String>,
    program: &'static [&'static str],
}

impl Redis {
    /// Starts one whose configuration has these lines beside its port and directory, and waits for it.
    pub(crate) async fn start(lines: &str) -> Self {
        let port = free_port();
        Self::run(&[], port, &format!("port {port}\n{lines}"), &[]).await
    }

    /// The same where `redis-cli` needs arguments to get in.
    pub(crate) async fn with_login(lines: &str, login: &[&str]) -> Self {
        let port = free_port();
        Self::run(&[], port, &format!("port {port}\n{lines}"), login).await
    }

    /// Starts one that speaks TLS only.
    pub(crate) async fn with_tls(lines: &str, login: &[&str]) -> Self {
        let port = free_port();
        Self::run(&[], port, &format!("port 0\ntls-port {port}\n{lines}"), login).await
    }

    /// Starts a node of a cluster that is yet to be made.
    pub(crate) async fn node() -> Self {
        let (port, bus) = (free_port(), free_port());
        let lines =
            format!("port {port}\ncluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 1000");
        Self::run(&[], port, &lines, &[]).await
    }

    /// Starts a Sentinel that watches `primary` alone, and is quick to judge.
    pub(crate) async fn sentinel(master: &str, primary: &Self) -> Self {
        let port = free_port();
        let lines = format!(
            "port {port}\nsentinel monitor {master} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {master} 500\nsentinel failover-timeout {master} 2000",
            primary.port
        );
        Self::run(&["--sentinel"], port, &lines, &[]).await
    }

    async fn run(program: &'static [&'static str], port: u16, lines: &str, login: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = format!(
            "bind 127.0.0.1\ndir {}\nlogfile log\nsave \"\"\nenable-debug-command yes\n{lines}\n",
            directory.path().display()
        );
        let config = if program.is_empty() {
            config
        } else {
            config.replace("save \"\"\nenable-debug-command yes\n", "")
        };
        std::fs::write(directory.path().join("redis.conf"), &config).expect("writable");
        let mut redis = Self {
            process: launch(&directory, program),
            directory,
            port,
            config,
            login: login.iter().map(|&argument| argument.to_owned()).collect(),
            program,
        };
        redis.wait_until_up().await;
        redis
    }

    async fn wait_until_up(&mut self) {
        until("Redis is up", seconds(10), async || {
            if let Ok(Some(status)) = self.process.child().try_wait() {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("redis-server ended with {status}:\n{}\n{log}", self.config);
            }
            let reply = self.cli(&["PING"]);
            if reply == "PONG" { Ok(()) } else { Err(reply) }
        })
        .await;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a command and returns its reply as `redis-cli` prints it.
    pub(crate) fn cli(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let ran = output(
            Command::new("redis-cli").args(["-h", "127.0.0.1", "-p", &port]).args(&self.login).args(command),
        );
        (text(&ran.stdout) + &text(&ran.stderr)).trim().to_owned()
    }

    /// Appends `count` items to a list.
    pub(crate) fn push(&self, list: &str, count: usize) {
        let items: Vec<String> = (0..count).map(|item| item.to_string()).collect();
        let mut command = vec!["RPUSH", list];
        command.extend(items.iter().map(String::as_str));
        let reply = self.cli(&command);
        assert!(reply.parse::<usize>().is_ok(), "{reply}");
    }

    /// The commands that it was sent, as `INFO commandstats` names them.
    pub(crate) fn commands(&self) -> Vec<String> {
        let stats = self.cli(&["INFO", "commandstats"]);
        let names = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
        names.map(str::to_owned).collect()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// A new process with the old files at the old address.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.process = launch(&self.directory, self.program);
        self.wait_until_up().await;
    }
}

fn launch(directory: &TempDir, program: &[&str]) -> Process {
    Process::start(
        Command::new("redis-server")
            .arg(directory.path().join("redis.conf"))
            .args(program)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

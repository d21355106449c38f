//! Programs that the tests need, and processes that end with their test.

use std::process::{Child, Command, Output};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A child process, killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program of the system; says what to install where it is missing.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| missing(command, &error)))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and no more children of that name.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends a signal by name, as `kill -s`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// The exit code, once there is one.
    pub(crate) async fn exit_code(&mut self, within: Duration) -> i32 {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.0.try_wait().expect("the child can be waited for") {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "still running after {within:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program of the system to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| missing(command, &error))
}

/// Runs our own binary to its end.
pub(crate) fn inferometer(args: &[&str]) -> Output {
    output(Command::new(env!("CARGO_BIN_EXE_inferometer")).args(args).env_remove("RUST_LOG"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn missing(command: &Command, error: &std::io::Error) -> ! {
    let program = command.get_program().to_string_lossy().into_owned();
    let install = match program.as_str() {
        "prometheus" | "promtool" => "install it with `apt-get install prometheus`",
        "redis-server" | "redis-cli" => "install it with `apt-get install redis-server`",
        "kubectl" => {
            "install it with `apt-get install kubectl`, or from https://kubernetes.io/docs/tasks/tools/"
        }
        _ => "it cannot be started",
    };
    panic!("{program} is needed for this test; {install} ({error})")
}

//! The yardstick: nginx with one worker, which is asked the same questions over TLS and HTTP/2, and serves the bytes of
//! our answers from files.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::{Result, bail};
use http::HeaderMap;
use tokio::time::sleep;

use super::drive::{self, Target};
use super::process::{Process, free_port};
use super::stage::{Bench, plain, which};
use super::world::Question;

/// A running nginx.
pub(crate) struct Nginx {
    process: Process,
    port: u16,
}

impl Nginx {
    /// Serves to each question its answer; `None` if there is no nginx here.
    pub(crate) async fn start(
        bench: &Bench,
        questions: &[Question],
        answers: &[Vec<u8>],
    ) -> Result<Option<Self>> {
        let Some(program) = which("nginx") else { return Ok(None) };
        let (port, folder) = (free_port()?, bench.folder.path().display());
        fs::create_dir_all(bench.file("html"))?;
        let mut files = String::new();
        for (number, (question, answer)) in questions.iter().zip(answers).enumerate() {
            fs::write(bench.file(&format!("html/{number}.json")), answer)?;
            writeln!(files, "    \"{}\" /{number}.json;", question.path)?;
        }
        // The worker would run as somebody who may not read the folder.
        let user = if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) { "user root;" } else { "" };
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("  {what}_temp_path {folder}/nginx-{what};\n"))
            .concat();
        fs::write(
            bench.file("nginx.conf"),
            format!(
                "{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{places}  sendfile on;
  open_file_cache max={most} inactive=1h;
  open_file_cache_valid 1h;
  keepalive_requests 1000000000;
  map_hash_max_size {most};
  map_hash_bucket_size 512;
  map $request_uri $file {{
    default /none;
{files}  }}
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/tls.crt;
    ssl_certificate_key {folder}/tls.key;
    ssl_protocols TLSv1.3;
    root {folder}/html;
    default_type application/json;
    location / {{ try_files $file =404; }}
  }}
}}
",
                most = 2 * questions.len(),
            ),
        )?;
        let arguments = ["-e", &format!("{folder}/nginx-error.log"), "-c", &format!("{folder}/nginx.conf")]
            .map(str::to_owned);
        let process = Process::start(&program, &arguments, bench.folder.path(), bench.servers_on)?;
        let mut nginx = Self { process, port };
        let target = nginx.target(HeaderMap::new())?;
        for _ in 0..500 {
            if matches!(drive::once(&target, &questions[0].path).await, Ok((200, _))) {
                return Ok(Some(nginx));
            }
            nginx.process.check()?;
            sleep(Duration::from_millis(10)).await;
        }
        bail!("nginx does not answer");
    }

    /// Asks it with these headers.
    pub(crate) fn target(&self, headers: HeaderMap) -> Result<Target> {
        plain(self.port, headers)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

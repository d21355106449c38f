//! The yardstick: nginx with one worker, which serves the bytes of one of our answers from a file, over TLS and HTTP/2.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::{Result, bail};
use http::HeaderMap;
use tokio::time::sleep;

use super::drive::{self, Target};
use super::process::{Process, free_port};
use super::stage::{Bench, plain, which};

/// A running nginx.
pub(crate) struct Nginx {
    process: Process,
    port: u16,
}

impl Nginx {
    /// Serves `body` at every path; `None` if there is no nginx here.
    pub(crate) async fn start(bench: &Bench, body: &[u8]) -> Result<Option<Self>> {
        let Some(program) = which("nginx") else { return Ok(None) };
        let (port, folder) = (free_port()?, bench.folder.path().display());
        fs::create_dir_all(bench.file("html"))?;
        fs::write(bench.file("html/answer.json"), body)?;
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
  open_file_cache max=10;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/tls.crt;
    ssl_certificate_key {folder}/tls.key;
    ssl_protocols TLSv1.3;
    root {folder}/html;
    default_type application/json;
    location / {{ try_files /answer.json =404; }}
  }}
}}
"
            ),
        )?;
        let arguments = ["-e", &format!("{folder}/nginx-error.log"), "-c", &format!("{folder}/nginx.conf")]
            .map(str::to_owned);
        let process = Process::start(&program, &arguments, bench.folder.path(), bench.servers_on)?;
        let mut nginx = Self { process, port };
        let target = nginx.target(HeaderMap::new())?;
        for _ in 0..500 {
            if matches!(drive::once(&target, "/").await, Ok((200, _))) {
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

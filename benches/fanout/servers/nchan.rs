//! nginx with nchan, from the packages of the distribution.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::geteuid;

use super::{AT_ONCE, Running, Server, pause};
use crate::{
    publisher::{Dialect, Target},
    subscribers::Endpoint,
    support::{ports::free_port, process::Tree},
};

const WORKERS: usize = 2;
const READY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn available() -> Result<(), String> {
    module().map(drop)
}

/// Returns the path of the module in the module folder of nginx.
fn module() -> Result<PathBuf, String> {
    let options = Command::new("nginx").arg("-V").output();
    let options = options.map_err(|error| format!("`nginx`: {error} (apt-get install nginx-light)"))?;
    let options = String::from_utf8_lossy(&options.stderr).into_owned();
    let folder = options.split_ascii_whitespace().find_map(|option| option.strip_prefix("--modules-path="));
    let module = Path::new(folder.unwrap_or("/usr/lib/nginx/modules")).join("ngx_nchan_module.so");
    if module.is_file() {
        Ok(module)
    } else {
        Err(format!("{} does not exist (apt-get install libnginx-mod-nchan)", module.display()))
    }
}

pub(super) fn start() -> anyhow::Result<Server> {
    let folder = tempfile::Builder::new().prefix("nchan-").tempdir()?;
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let module = module().map_err(anyhow::Error::msg)?;
    fs::write(folder.path().join("nginx.conf"), configuration(&module, addr))?;

    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut tree = Tree::spawn(&mut command).context("nginx does not start")?;
    let started = Instant::now();
    // It listens before its workers have started.
    loop {
        tree.look();
        if tree.running().len() > WORKERS && TcpStream::connect(addr).is_ok() {
            break;
        }
        if started.elapsed() > READY_TIMEOUT || tree.exited()?.is_some() {
            let log = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
            bail!("nginx is not ready; its log:\n{log}");
        }
        pause();
    }
    Ok(Server {
        endpoint: Endpoint { addr, path: "/subscribe".to_owned(), at_once: AT_ONCE },
        target: Target { addr, path: "/publish".to_owned(), dialect: Dialect::Nchan },
        _running: Running::Tree(tree, folder),
    })
}

fn configuration(module: &Path, addr: SocketAddr) -> String {
    // If root starts nginx, its workers run as the user nobody, which cannot write to the folder.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let module = module.display();
    let channel = crate::CHANNEL;
    format!(
        "load_module {module};
{user}
daemon off;
pid nginx.pid;
worker_processes {WORKERS};
worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000;
  nchan_shared_memory_size 128m;
  server {{
    listen {addr} backlog=4096;
    location = /publish {{
      nchan_publisher;
      nchan_channel_id {channel};
      nchan_message_buffer_length 1000;
      nchan_message_timeout 5m;
    }}
    location = /subscribe {{
      nchan_subscriber eventsource;
      nchan_channel_id {channel};
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"
    )
}

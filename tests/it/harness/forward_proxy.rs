//! A forward proxy that opens tunnels. It knows names that nobody else knows: all of them are this machine.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Listens on a free loopback port until dropped.
pub(crate) struct ForwardProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    listener: JoinHandle<()>,
}

impl ForwardProxy {
    /// Takes requests with this value of `Proxy-Authorization`, or all when there is none.
    pub(crate) async fn start(authorization: Option<&'static str>) -> ForwardProxy {
        ForwardProxy::leading_to(None, authorization).await
    }

    /// The same; every tunnel leads to this port, whatever was asked for.
    pub(crate) async fn leading_to(only: Option<u16>, authorization: Option<&'static str>) -> ForwardProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let listener = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                tokio::spawn(serve(client, only, authorization, Arc::clone(&seen)));
            }
        });
        ForwardProxy { address, asked, listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The targets that tunnels were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    only: Option<u16>,
    authorization: Option<&str>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    asked.lock().unwrap().push(target.to_owned());
    let given = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    let port =
        target.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).map(|port| only.unwrap_or(port));
    let answer = match (port, authorization) {
        (None, _) => "HTTP/1.1 405 Method Not Allowed\r\n\r\n",
        (_, Some(wanted)) if given != Some(wanted) => "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        (Some(port), _) => match TcpStream::connect(("127.0.0.1", port)).await {
            Err(_) => "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            Ok(mut server) => {
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.ok();
                copy_bidirectional(&mut client, &mut server).await.ok();
                return;
            }
        },
    };
    client.write_all(answer.as_bytes()).await.ok();
}

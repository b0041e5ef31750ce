//! A TCP proxy whose connections break on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time;
use url::Url;

/// What happens to the bytes. Byte counts are per connection and start when the fault is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Everything gets through.
    Pass,
    /// Every piece that is read, in either direction, waits this long before it is written.
    Latency(Duration),
    /// Connections are reset at once: new ones when accepted, open ones when the fault is set.
    Refuse,
    /// Connections are accepted and bytes taken, but none gets through; they do once the fault is changed.
    HalfOpen,
    /// After this many bytes from the client, both sides are reset.
    ResetAfterUpload(u64),
    /// After this many bytes from the server, both sides are reset.
    ResetAfterDownload(u64),
    /// After this many bytes from the server nothing more comes through, and nothing is closed.
    StallAfterDownload(u64),
    /// After this many bytes from the client, both sides are closed in an orderly way.
    CutUpload(u64),
}

/// Listens on a free loopback port until dropped.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    upstream: Url,
    fault: watch::Sender<Fault>,
    connections: Arc<AtomicUsize>,
    listener: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts before a server, given as `http://host:port`, `https://…` or `postgres://…`, with nothing broken.
    pub(crate) async fn start(upstream: &str) -> Self {
        let upstream = Url::parse(upstream).unwrap();
        let target = (upstream.host_str().unwrap().to_owned(), upstream.port_or_known_default().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = watch::Sender::new(Fault::Pass);
        let connections = Arc::new(AtomicUsize::new(0));
        let listener = tokio::spawn(accept(listener, target, fault.subscribe(), Arc::clone(&connections)));
        Self { address, upstream, fault, connections, listener }
    }

    /// The server's URL by way of this proxy. The host stays, so that its certificate still fits.
    pub(crate) fn url(&self) -> String {
        let mut url = self.upstream.clone();
        url.set_port(Some(self.address.port())).unwrap();
        url.as_str().trim_end_matches('/').to_owned()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on, also on open connections.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How many connections clients have opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort(); // the connections go with it
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// How a connection ends before its time.
enum Broken {
    Reset,
    Closed,
}

async fn accept(
    listener: TcpListener,
    target: (String, u16),
    fault: watch::Receiver<Fault>,
    connections: Arc<AtomicUsize>,
) {
    let mut open = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        open.spawn(connect(client, target.clone(), fault.clone()));
        while open.try_join_next().is_some() {}
    }
}

async fn connect(mut client: TcpStream, target: (String, u16), fault: watch::Receiver<Fault>) {
    let refused = *fault.borrow() == Fault::Refuse;
    let server = if refused { None } else { TcpStream::connect(target).await.ok() };
    let Some(mut server) = server else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let ended = tokio::try_join!(
        pump(Direction::Up, client_read, server_write, fault.clone()),
        pump(Direction::Down, server_read, client_write, fault),
    );
    if let Err(Broken::Reset) = ended {
        // A closed socket without linger sends a reset, and drops what it has not sent.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Carries one direction until its end or a fault.
async fn pump(
    direction: Direction,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut faults: watch::Receiver<Fault>,
) -> Result<(), Broken> {
    let mut buffer = vec![0; 16 * 1024];
    let mut carried = 0;
    loop {
        if *faults.borrow_and_update() == Fault::Refuse {
            return Err(Broken::Reset);
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.map_err(|_| Broken::Reset)?,
            changed = faults.changed() => {
                carried = 0;
                changed.map_err(|_| Broken::Closed)?;
                continue;
            }
        };
        if read == 0 {
            let _ = to.shutdown().await;
            return Ok(());
        }
        carry(direction, &buffer[..read], &mut carried, &mut to, &mut faults).await?;
    }
}

/// Writes one piece as the fault of the moment wants it.
async fn carry(
    direction: Direction,
    piece: &[u8],
    carried: &mut u64,
    to: &mut WriteHalf<'_>,
    faults: &mut watch::Receiver<Fault>,
) -> Result<(), Broken> {
    loop {
        if faults.has_changed().map_err(|_| Broken::Closed)? {
            *carried = 0;
        }
        let fault = *faults.borrow_and_update();
        let (limit, then) = match (fault, direction) {
            (Fault::Refuse, _) => return Err(Broken::Reset),
            (Fault::HalfOpen, _) => {
                faults.changed().await.map_err(|_| Broken::Closed)?;
                *carried = 0;
                continue;
            }
            (Fault::Latency(delay), _) => {
                time::sleep(delay).await;
                (u64::MAX, Broken::Closed)
            }
            (Fault::ResetAfterUpload(limit), Direction::Up)
            | (Fault::ResetAfterDownload(limit), Direction::Down) => (limit, Broken::Reset),
            (Fault::CutUpload(limit), Direction::Up)
            | (Fault::StallAfterDownload(limit), Direction::Down) => (limit, Broken::Closed),
            _ => (u64::MAX, Broken::Closed),
        };
        let left = usize::try_from(limit.saturating_sub(*carried)).unwrap_or(usize::MAX);
        let allowed = &piece[..piece.len().min(left)];
        to.write_all(allowed).await.map_err(|_| Broken::Reset)?;
        *carried += allowed.len() as u64;
        if *carried >= limit && matches!(fault, Fault::StallAfterDownload(_)) {
            faults.changed().await.map_err(|_| Broken::Closed)?;
        }
        return if *carried >= limit { Err(then) } else { Ok(()) };
    }
}

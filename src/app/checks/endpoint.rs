//! Is the way to the store open.

use std::time::Instant;

use crate::app::App;
use crate::app::checks::Checks;
use crate::app::connection::Plan;
use crate::app::propose::Written;
use crate::app::sources::failed;
use crate::aws::{AwsError, ErrorKind, probe};
use crate::model::check::{Check, Status};

impl App {
    pub(super) async fn endpoint(&self, written: Written<'_>, plan: &Plan, checks: &mut Checks) -> bool {
        let (host, port, tls) = plan.bare_host();
        // virtual hosts are what queries will connect to, and what the certificate must name
        let in_path = plan.path_style || host.parse::<std::net::IpAddr>().is_ok();
        let host = if in_path { host } else { format!("{}.{host}", plan.bucket) };
        let started = Instant::now();
        let (ca_pem, route) = (plan.ca_pem.as_deref(), plan.route.as_deref());
        let target = probe::Target { host: &host, port, tls, ca_pem, route };
        let outcome = probe::reach(self.egress(), &target).await;
        if let Err(error) = outcome.as_ref()
            && error.kind == ErrorKind::Blocked
        {
            return checks.push(failed("endpoint-allowed", "egress rules", error), started);
        }
        checks.push(
            Check::new("endpoint-allowed", Status::Passed, format!("`{host}:{port}` may be reached")),
            started,
        );
        let mut check = match outcome {
            Ok(times) => {
                let tls = times.tls_ms.map_or(String::new(), |ms| format!(", TLS {ms} ms"));
                let text = match &plan.route {
                    Some(route) => {
                        let name = route.name();
                        format!(
                            "`{host}:{port}`: tunnel of the outbound route `{name}` {} ms{tls}",
                            times.tcp_ms
                        )
                    }
                    None => {
                        format!("`{host}:{port}`: name {} ms, TCP {} ms{tls}", times.dns_ms, times.tcp_ms)
                    }
                };
                Check::new("endpoint-reachable", Status::Passed, text)
            }
            Err(error) => {
                let mut error = self.propose(written, plan, None, error).await;
                let named = ["NameNotFound", "TlsNameMismatch"].contains(&error.code.as_str());
                if named && tls && !in_path && plan.bucket.contains('.') {
                    "BucketNameHasDots".clone_into(&mut error.code);
                }
                failed("endpoint-reachable", "connect", &error)
            }
        };
        check.call = Some("connect".to_owned());
        checks.push(check, started)
    }

    /// A port that speaks TLS often closes on plain HTTP without a word: a handshake tells it from a broken one.
    pub(super) async fn named(&self, plan: &Plan, mut error: AwsError) -> AwsError {
        let without_tls = plan.endpoint.as_ref().filter(|endpoint| !endpoint.tls);
        let Some(endpoint) = without_tls.filter(|_| error.code == "ConnectionReset") else { return error };
        let target = probe::Target {
            host: &endpoint.host,
            port: endpoint.port,
            tls: true,
            ca_pem: plan.ca_pem.as_deref(),
            route: plan.route.as_deref(),
        };
        let speaks_tls = match probe::reach(self.egress(), &target).await {
            Ok(_) => true,
            Err(refused) => {
                ["TlsUnknownCa", "TlsNameMismatch", "TlsCertificateExpired"].contains(&refused.code.as_str())
            }
        };
        if speaks_tls {
            "NotHttp".clone_into(&mut error.code);
        }
        error
    }
}

//! The checks of a test: what each claims, how it is tried, and what it needs. The pages in `docs/checks` are made
//! from it.

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckEntry {
    /// Its name in reports: a claim.
    pub name: &'static str,
    /// What holds when it passes.
    pub claim: &'static str,
    /// How it is tried.
    pub how: &'static str,
    /// Checks that must not have failed before it is tried.
    pub needs: &'static [&'static str],
    /// Whether the resource is of no use without it.
    pub essential: bool,
    /// Whether it writes, so that it is tried only with `write`.
    pub writes: bool,
}

impl CheckEntry {
    /// Its page, in Markdown.
    pub fn text(&self) -> String {
        let needs: Vec<String> = self.needs.iter().map(|name| format!("[{name}]({name}.md)")).collect();
        let needs = if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") };
        let weight = if self.essential {
            "Without it nothing works: its failure makes the verdict `fails`."
        } else {
            "Its failure makes the verdict `works with limits`."
        };
        let writes = if self.writes {
            "\n\nIt writes, so it is tried only with `write`: `s3-connector resource test NAME --write`."
        } else {
            ""
        };
        format!(
            "# {}\n\n{}\n\n**How it is tried:** {}\n\n**Tried after:** {needs}\n\n{weight}{writes}\n",
            self.name, self.claim, self.how
        )
    }
}

/// The entry of a name.
pub fn find(name: &str) -> Option<&'static CheckEntry> {
    CHECKS.iter().find(|entry| entry.name == name)
}

/// In the order in which they are reported.
pub const CHECKS: &[CheckEntry] = &[
    CheckEntry {
        name: "definition-valid",
        claim: "The definition can be used: its templates parse, its references are allowed, and its provider profile fits.",
        how: "Nothing is sent.",
        needs: &[],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "secrets-resolved",
        claim: "Every reference leads to a value. The detail names secret, source, version and age, and never the value.",
        how: "Each reference is looked up in the cache, and at its source where the cache has nothing fresh.",
        needs: &["definition-valid"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "endpoint-allowed",
        claim: "The egress rules of this service let it reach the endpoint: no private or metadata address unless it is allowed.",
        how: "The endpoint's name is resolved, and its addresses are compared with `egress.allow` and `egress.ports`.",
        needs: &["secrets-resolved"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "endpoint-reachable",
        claim: "The endpoint's name resolves, its port answers, and its certificate is trusted. The detail gives the time of each step.",
        how: "A connection is made, with TLS where the endpoint has it; nothing is sent over it.",
        needs: &["endpoint-allowed"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "identity-known",
        claim: "The key belongs to the identity in the detail.",
        how: "sts:GetCallerIdentity, where the provider has STS. It needs no permission.",
        needs: &["endpoint-reachable"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "role-assumed",
        claim: "The role of the resource can be assumed. A refusal says whether the trust policy, the identity's right, the duration or the session policy is at fault.",
        how: "sts:AssumeRole, with the external id, duration, tags and session policy of the resource.",
        needs: &["endpoint-reachable"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "signature-accepted",
        claim: "The key pair is real, whatever it may do. When the signature is refused, a second request that signs no header but the host's tells a wrong key from a proxy that changes headers.",
        how: "A list of a bucket with a random name at the same endpoint: every answer but a complaint about the signature will do.",
        needs: &["role-assumed"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "clock-in-step",
        claim: "The clocks of the store and of this service are less than five minutes apart. From one minute on there is a warning; stores refuse from fifteen.",
        how: "The `Date` of the answer before is compared with our clock.",
        needs: &["endpoint-reachable"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "bucket-found",
        claim: "The bucket is there, in the region of the resource, and belongs to the expected owner.",
        how: "s3:HeadBucket; where that is refused, a list under the prefix, whose answer has a body that says why.",
        needs: &["signature-accepted"],
        essential: true,
        writes: false,
    },
    CheckEntry {
        name: "objects-listable",
        claim: "Keys under the prefix can be listed.",
        how: "s3:ListObjectsV2 with max-keys 1 on the root prefix.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "objects-readable",
        claim: "Objects can be read, and decrypted where they are encrypted with a key of KMS.",
        how: "The first byte of the first object is read. Where there is none, a key that is not there: with the right to list it answers 404 to who may read, and 403 to who may not.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "versions-listable",
        claim: "Versions can be listed.",
        how: "s3:ListObjectVersions with max-keys 1.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "tags-readable",
        claim: "The tags of objects can be read.",
        how: "s3:GetObjectTagging of the first object.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "acl-readable",
        claim: "The ACLs of objects can be read.",
        how: "s3:GetObjectAcl of the first object.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "cors-readable",
        claim: "The CORS configuration of the bucket can be read.",
        how: "s3:GetBucketCors.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "policy-readable",
        claim: "The policy of the bucket can be read.",
        how: "s3:GetBucketPolicy.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "location-readable",
        claim: "The location of the bucket can be read. No query needs this right.",
        how: "s3:GetBucketLocation.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "uploads-allowed",
        claim: "Objects can be uploaded with the storage class and the encryption of the resource.",
        how: "An upload in parts is started under a marker key and aborted at once, which leaves nothing.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "acl-accepted",
        claim: "The bucket accepts uploads with the default ACL of the resource.",
        how: "The same, with the ACL.",
        needs: &["uploads-allowed"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "prefix-enforced",
        claim: "A scoped session may do nothing outside the prefix.",
        how: "A list outside the prefix must be refused. Tried when `assume_role.session_policy` is `scoped` and the resource has a prefix.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "cors-allows-browser",
        claim: "The bucket's CORS configuration lets pages of the given origins read objects and upload them, and the store does what the configuration says. `cors check` shows both side by side.",
        how: "For each origin in `origins` or `browser_origins`: preflights and a read as a browser would send them, to where signed URLs lead, without credentials in a header; and s3:GetBucketCors, evaluated. Where the configuration may not be read, the real answers alone decide. Nothing is written.",
        needs: &["bucket-found"],
        essential: false,
        writes: false,
    },
    CheckEntry {
        name: "object-written",
        claim: "An object can be written.",
        how: "A marker key that the detail names is written.",
        needs: &["bucket-found"],
        essential: false,
        writes: true,
    },
    CheckEntry {
        name: "conditional-put",
        claim: "A write that must not replace an object does not.",
        how: "The marker is written again with `If-None-Match: *`, which must be refused.",
        needs: &["object-written"],
        essential: false,
        writes: true,
    },
    CheckEntry {
        name: "object-read-back",
        claim: "What was written comes back as it was.",
        how: "The marker is read and compared.",
        needs: &["object-written"],
        essential: false,
        writes: true,
    },
    CheckEntry {
        name: "object-deleted",
        claim: "Objects can be deleted. What could not be deleted is named.",
        how: "The marker is deleted.",
        needs: &["object-written"],
        essential: false,
        writes: true,
    },
    CheckEntry {
        name: "policy-agrees",
        claim: "What was tried came out as the policy of the bucket and the session policy say. A difference is a warning, and names the statement, and what may be behind it: an organization's policy, the policy of a key or of a VPC endpoint, a store that decides otherwise than AWS.",
        how: "Nothing is sent: the policy that `policy-readable` read is evaluated for every call that was tried, and for the operations that were not, which the matrix then has as `predicted`. What needs policies of the identity is left open: `s3-connector policy check NAME` looks for those, too.",
        needs: &["policy-readable"],
        essential: false,
        writes: false,
    },
];

#[cfg(test)]
mod tests {
    use super::CHECKS;

    #[test]
    fn what_a_check_needs_stands_before_it() {
        for (place, entry) in CHECKS.iter().enumerate() {
            for needed in entry.needs {
                let found = CHECKS.iter().position(|known| known.name == *needed);
                assert!(found.is_some_and(|found| found < place), "{} needs {needed}", entry.name);
            }
        }
    }
}

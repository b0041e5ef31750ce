//! Signed URLs and forms of one bucket: what of an operation goes into the query, and what the holder sends.

use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use crate::aws::direct::address::KEPT;
use crate::aws::s3::options::{HeaderList, UploadCall};
use crate::aws::s3::{S3, SERVICE};
use crate::aws::sign::{Form, Presigned, PresignedForm, Signer, Wanted};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::ObjectKey;
use crate::model::signed::{SignMethod, SignOptions, SignPostOptions};

impl S3 {
    /// A URL for one object; nothing is sent.
    pub async fn sign(
        &self,
        key: &ObjectKey,
        options: &SignOptions,
        expires_in: u64,
    ) -> Result<Presigned, AwsError> {
        let mut query = self.scope_query();
        query.extend(options.version.clone().map(|version| ("versionId", version)));
        let overrides = options.response_overrides();
        query.extend(overrides.into_iter().map(|(name, value)| (name, value.to_owned())));
        let headers =
            if options.method == SignMethod::Put { self.signed_headers(options)? } else { Vec::new() };
        let method = options.method.as_str();
        self.signer()?.presign(Wanted { method, key, query, headers, expires_in }).await
    }

    /// A URL for one part of an upload; nothing is sent.
    pub async fn sign_part(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        number: u32,
        expires_in: u64,
    ) -> Result<Presigned, AwsError> {
        let mut query = self.scope_query();
        query.extend([("partNumber", number.to_string()), ("uploadId", upload_id.to_owned())]);
        self.signer()?.presign(Wanted { method: "PUT", key, query, headers: Vec::new(), expires_in }).await
    }

    /// The URL that everything in the bucket begins with, as others are sent to it.
    pub fn public_base(&self) -> Result<&str, AwsError> {
        self.public_base.as_deref().ok_or_else(|| {
            let text = "browsers cannot be sent to this bucket: directory buckets and access points of several regions have signatures of their own";
            AwsError::new(ErrorKind::Unsupported, SERVICE, "NotSupportedByProvider", text)
        })
    }

    /// The URL that a page would be given for this method: signed where the resource has a key and the method can be
    /// signed in a URL, else the object's own. Nothing is sent.
    pub async fn page_url(&self, key: &ObjectKey, method: &str, expires_in: u64) -> Result<String, AwsError> {
        let known = ["GET", "HEAD", "PUT", "DELETE"].into_iter().find(|known| *known == method);
        let (Some(signer), Some(method)) = (&self.signer, known) else {
            let base = self.public_base()?;
            return Ok(format!("{base}{}", utf8_percent_encode(key.as_str(), KEPT)));
        };
        let wanted = Wanted { method, key, query: self.scope_query(), headers: Vec::new(), expires_in };
        Ok(signer.presign(wanted).await?.url)
    }

    /// A form for uploads of this key, or of every key that starts so; nothing is sent.
    pub async fn sign_form(
        &self,
        key: &str,
        is_prefix: bool,
        options: &SignPostOptions,
        (most, expires_in): (u64, u64),
    ) -> Result<PresignedForm, AwsError> {
        let field = if is_prefix { format!("{key}${{filename}}") } else { key.to_owned() };
        let mut fields = Vec::new();
        let mut conditions: Vec<Value> = vec![json!({"bucket": self.bucket})];
        conditions.push(if is_prefix {
            json!(["starts-with", "$key", key])
        } else {
            json!(["eq", "$key", key])
        });
        let least = options.min_bytes.unwrap_or(0);
        conditions.push(json!(["content-length-range", least, most]));
        if let Some(start) = &options.content_type_prefix {
            conditions.push(json!(["starts-with", "$Content-Type", start]));
        }
        for (name, value) in self.form_fields(options)? {
            conditions.push(json!({ &name: &value }));
            fields.push((name, value));
        }
        self.signer()?.form(Form { key: field, fields, conditions, expires_in }).await
    }

    fn signer(&self) -> Result<&Signer, AwsError> {
        self.signer.as_deref().ok_or_else(|| {
            let text = "an anonymous resource has no key that could sign: give it credentials";
            AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", text)
        })
    }

    /// What holds for every request of the resource. In the query, so that a browser that follows a link needs no
    /// header for it.
    fn scope_query(&self) -> Vec<(&'static str, String)> {
        let owner = self.expected_owner.clone().map(|owner| ("x-amz-expected-bucket-owner", owner));
        let payer = self.payer.as_ref().map(|payer| ("x-amz-request-payer", payer.as_str().to_owned()));
        owner.into_iter().chain(payer).collect()
    }

    /// What the holder of an upload sends.
    fn signed_headers(&self, options: &SignOptions) -> Result<HeaderList, AwsError> {
        let mut headers = self.upload_headers(&options.put_options(), UploadCall::Whole)?;
        headers
            .extend(options.content_length.map(|length| ("content-length".to_owned(), length.to_string())));
        Ok(headers)
    }

    fn form_fields(&self, options: &SignPostOptions) -> Result<HeaderList, AwsError> {
        let mut fields = self.upload_headers(&options.put_options(), UploadCall::Parts(None))?;
        for (name, _) in &mut fields {
            // forms have words of their own
            match name.as_str() {
                "content-type" => "Content-Type".clone_into(name),
                "x-amz-acl" => "acl".clone_into(name),
                _ => {}
            }
        }
        let status = options.success_action_status.map(|status| status.to_string());
        let redirect = options.success_action_redirect.clone();
        let then = [("success_action_status", status), ("success_action_redirect", redirect)];
        fields.extend(then.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Ok(fields)
    }
}

//! Amazon SQS: the queue that brings events about changed secrets.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::aws::{AwsError, ErrorKind};
use crate::config;

const SERVICE: &str = "sqs";
/// The most that the service gives and waits for in one call (`ReceiveMessage`, API reference).
const MOST_MESSAGES: i32 = 10;
const MOST_SECONDS: u32 = 20;
/// What a call may take beyond the time that it waits for messages.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// One queue, read with the identity of the service itself.
#[derive(Debug, Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
    wait_seconds: u32,
}

/// A message that others do not see until it is deleted or its time is over.
#[derive(Clone)]
pub struct Message {
    /// The message's own id.
    pub id: String,
    /// What it is deleted with.
    pub receipt: String,
    /// What was sent.
    pub body: String,
}

impl Queue {
    /// The queue that the settings name. Nothing is sent yet.
    pub async fn new(settings: &config::Events) -> Result<Queue, AwsError> {
        let region = match settings.region.as_str() {
            "" => region_of(&settings.queue_url),
            region => Some(region.to_owned()),
        };
        let region = region.map(Region::new).ok_or_else(|| {
            let message = format!(
                "`{}` does not tell the region of the queue: set `events.region`",
                settings.queue_url
            );
            AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", message)
        })?;
        let wait_seconds = settings.wait_seconds.clamp(1, MOST_SECONDS);
        let chain = DefaultCredentialsChain::builder().region(region.clone()).build().await;
        let call = CALL_TIMEOUT + Duration::from_secs(u64::from(wait_seconds));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(call)
            .operation_timeout(call + CALL_TIMEOUT)
            .build();
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(chain)
            .timeout_config(timeouts);
        if let Some(endpoint) = settings.endpoint() {
            config = config.endpoint_url(endpoint);
        }
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        Ok(Queue { client, url: settings.queue_url.clone(), wait_seconds })
    }

    /// Waits for messages; at most ten come at once, and none when the wait is over.
    pub async fn receive(&self) -> Result<Vec<Message>, AwsError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MOST_MESSAGES)
            .wait_time_seconds(i32::try_from(self.wait_seconds).unwrap_or(1))
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        let messages = answer.messages.unwrap_or_default().into_iter().map(|message| Message {
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        });
        Ok(messages.collect())
    }

    /// Takes a message out of the queue.
    pub async fn delete(&self, message: &Message) -> Result<(), AwsError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&message.receipt)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        Ok(())
    }

    /// Whether the queue is there and may be looked at.
    pub async fn check(&self) -> Result<(), AwsError> {
        self.client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        Ok(())
    }
}

/// `https://sqs.REGION.amazonaws.com/…`, or `https://REGION.queue.amazonaws.com/…` as it was once.
fn region_of(queue_url: &str) -> Option<String> {
    let url = url::Url::parse(queue_url).ok()?;
    let parts: Vec<&str> = url.host_str()?.split('.').collect();
    match parts.as_slice() {
        ["sqs", region, "amazonaws", ..] | [region, "queue", "amazonaws", ..] => Some((*region).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::region_of;

    #[test]
    fn the_region_is_in_the_url() {
        let url = |host: &str| format!("https://{host}/111122223333/events");
        assert_eq!(region_of(&url("sqs.eu-central-1.amazonaws.com")).as_deref(), Some("eu-central-1"));
        assert_eq!(region_of(&url("sqs.cn-north-1.amazonaws.com.cn")).as_deref(), Some("cn-north-1"));
        assert_eq!(region_of(&url("us-west-2.queue.amazonaws.com")).as_deref(), Some("us-west-2"));
        for wrong in ["", "events", "http://127.0.0.1:5000/111122223333/events"] {
            assert_eq!(region_of(wrong), None, "{wrong}");
        }
    }
}

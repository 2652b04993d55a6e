//! The AWS settings, from the SDK's own sources.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};

use crate::config::Problems;

/// What `--help` prints about them.
pub(super) const HELP: &str = "AWS settings come from where the AWS SDKs look: AWS_REGION, \
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, AWS_ENDPOINT_URL_DYNAMODB and so on.";

/// For one attempt of one call. DynamoDB answers within milliseconds, so after this time the connection is dead.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads the settings. Only the region has no default.
pub(super) async fn config(problems: &mut Problems) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard())
        .load()
        .await;
    if aws.region().is_none() {
        problems.add("AWS_REGION", "is not set; set it to the region of the table, such as eu-central-1");
    }
    aws
}

//! The AWS settings, from the SDK's own sources, and the SDK's HTTPS client.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::config::Problems;

/// For one attempt of one call. DynamoDB answers within milliseconds, so after this time the connection is dead.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads the settings. Only the region has no default.
pub(super) async fn config(problems: &mut Problems) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let aws = aws_config::defaults(BehaviorVersion::latest())
        // The providers of credentials use it as well: SSO, STS, the metadata of a container or an instance.
        .http_client(http_client())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard())
        .load()
        .await;
    if aws.region().is_none() {
        problems.add("AWS_REGION", "is not set; set it to the region of the table, such as eu-central-1");
    }
    aws
}

/// The default client of the AWS SDK in everything but the crypto of its TLS, which is ring instead of aws-lc.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

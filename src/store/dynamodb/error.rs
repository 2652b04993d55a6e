//! What DynamoDB's errors mean for the store.

use std::{error::Error as StdError, sync::Arc};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::store::StoreError;

/// Translates an error of any operation.
pub(super) fn classify<E, R>(table: &str, error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let remedy = match error.code() {
        Some("ResourceNotFoundException") => {
            Some(format!("there is no table {table:?}; run \"gripchat create-table\""))
        }
        Some("AccessDeniedException" | "UnrecognizedClientException" | "InvalidSignatureException") => {
            Some("DynamoDB refuses the credentials; check them and their policy".to_owned())
        }
        Some("ValidationException") => {
            Some(format!("DynamoDB refuses the request; are the keys of table {table:?} \"pk\" and \"sk\"?"))
        }
        _ if matches!(error, SdkError::ConstructionFailure(_)) => {
            Some("the AWS settings are incomplete; set AWS_REGION and credentials".to_owned())
        }
        _ => None,
    };
    let cause: Arc<dyn StdError + Send + Sync> = Arc::new(error);
    match remedy {
        Some(remedy) => StoreError::Misconfigured { remedy, cause },
        None => StoreError::Unavailable(cause),
    }
}

/// Whether DynamoDB throttled the request, so that it did nothing.
pub(super) fn is_throttled<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(
        error.code(),
        Some("ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "ThrottlingException")
    )
}

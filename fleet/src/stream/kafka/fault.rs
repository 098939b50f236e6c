//! Why a broker can't be worked with, and whether that passes.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::Failure;

/// The failure that an error is.
pub(super) fn failure(error: &KafkaError) -> Failure {
    let text = format!("the stream: {error}");
    let settings = matches!(
        error,
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)
    );
    let stays = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::InvalidTopic
                | Code::InvalidSessionTimeout
                | Code::InconsistentGroupProtocol
                | Code::MessageSizeTooLarge
                | Code::OffsetMetadataTooLarge
        )
    );
    if settings || stays {
        Failure::Unusable(text)
    } else {
        Failure::Transient(text)
    }
}

/// Whether a commit was refused because the partitions are being divided anew, or are another worker's by now.
pub(super) fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::FencedInstanceId
                | Code::FencedMemberEpoch
                | Code::AssignmentLost
                | Code::NoOffset
        )
    )
}

/// Whether it says that a broker can't be reached, and no more.
pub(super) fn is_connection(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
        )
    )
}

//! Sends messages, each once, and waits until the broker has them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext};

use super::fault::failure;
use super::{ANSWERING, Brokers};
use crate::Failure;

/// How often a wait looks.
const STEP: Duration = Duration::from_millis(50);

/// What became of the messages.
#[derive(Debug, Default)]
struct Reports {
    arrived: usize,
    fault: Option<KafkaError>,
}

/// What the library tells a sender.
#[derive(Default)]
struct Context(Mutex<Reports>);

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!("{facility} {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("{error}: {reason}");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.arrived += 1;
        if let Err((error, _)) = result {
            reports.fault = Some(error.clone());
        }
    }
}

/// See the module.
pub(super) struct Sender {
    producer: BaseProducer<Context>,
}

impl Sender {
    /// Nothing is sent yet.
    pub(super) fn new(brokers: &Brokers, name: &str) -> Result<Self, Failure> {
        let producer = brokers
            .config()
            .set("client.id", name)
            // All replicas that are in step have it before it counts as sent, and what is sent again counts once.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", ANSWERING.as_millis().to_string())
            .create_with_context(Context::default())
            .map_err(|error| failure(&error))?;
        Ok(Self { producer })
    }

    /// Sends messages with their keys. After a failure, some may be there, and this sender is not to be used again.
    pub(super) fn send(&self, topic: &str, messages: &[(&str, String)]) -> Result<(), Failure> {
        let reports = || {
            let context = rdkafka::producer::Producer::context(&self.producer);
            context.0.lock().unwrap_or_else(PoisonError::into_inner)
        };
        *reports() = Reports::default();
        for (key, text) in messages {
            let mut record = BaseRecord::to(topic).key(*key).payload(text);
            while let Err((error, back)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(Code::QueueFull) {
                    return Err(failure(&error));
                }
                self.producer.poll(STEP);
                record = back;
            }
        }
        // Each message has its report in the end: the library gives up by itself.
        let end = Instant::now() + 2 * ANSWERING;
        loop {
            let arrived = {
                let mut reports = reports();
                if let Some(error) = reports.fault.take() {
                    return Err(failure(&error));
                }
                reports.arrived
            };
            if arrived >= messages.len() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Failure::Transient(
                    "the stream: the broker does not say that it has what was sent".to_owned(),
                ));
            }
            self.producer.poll(Duration::from_millis(1));
        }
    }
}

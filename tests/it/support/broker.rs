//! A producer as users write one: persistent, mandatory, confirmed one by one.
//!
//! `publish_all` confirms together, for the tests that publish thousands. `Look` only looks at queues.

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
};

/// A publishing channel of its own connection.
pub struct Producer {
    // Held so that the channel lives.
    _connection: Connection,
    channel: Channel,
    exchange: String,
}

impl Producer {
    pub async fn connect(url: &str, exchange: &str) -> Producer {
        Producer::try_connect(url, exchange).await.expect("the broker answers")
    }

    pub async fn try_connect(url: &str, exchange: &str) -> Result<Producer, lapin::Error> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Producer { _connection: connection, channel, exchange: exchange.to_owned() })
    }

    /// Publishes jobs by message id; an error means that some may not have arrived, or all did.
    pub async fn publish_all(
        &self,
        routing_key: &str,
        jobs: &[(String, String)],
    ) -> Result<(), lapin::Error> {
        let mut confirms = Vec::new();
        for (id, body) in jobs {
            let properties =
                BasicProperties::default().with_delivery_mode(2).with_message_id(id.as_str().into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let publish = self.channel.basic_publish(
                self.exchange.as_str().into(),
                routing_key.into(),
                options,
                body.as_bytes(),
                properties,
            );
            confirms.push(publish.await?);
        }
        for confirm in confirms {
            confirm.await?;
        }
        Ok(())
    }

    /// Publishes one job and waits for its confirm; gives whether it was routed.
    pub async fn publish(&self, routing_key: &str, message_id: Option<&str>, body: &[u8]) -> bool {
        self.publish_as(routing_key, message_id, None, body).await
    }

    pub async fn publish_as(
        &self,
        routing_key: &str,
        message_id: Option<&str>,
        user: Option<&str>,
        body: &[u8],
    ) -> bool {
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if let Some(id) = message_id {
            properties = properties.with_message_id(id.into());
        }
        if let Some(user) = user {
            properties = properties.with_user_id(user.into());
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self
            .channel
            .basic_publish(self.exchange.as_str().into(), routing_key.into(), options, body, properties)
            .await
            .expect("the job is written");
        matches!(confirm.await.expect("the broker confirms"), Confirmation::Ack(None))
    }
}

/// A connection that looks at one world's queues.
pub struct Look {
    // Held so that the channel lives.
    _connection: Connection,
    channel: Channel,
    name: String,
}

impl Look {
    pub async fn at(url: &str, name: &str) -> Look {
        let connection =
            Connection::connect(url, ConnectionProperties::default()).await.expect("the broker answers");
        let channel = connection.create_channel().await.expect("a channel");
        Look { _connection: connection, channel, name: name.to_owned() }
    }

    /// Messages that wait in a queue (`requests`, `parked`).
    pub async fn ready(&self, queue: &str) -> u32 {
        self.counts(queue).await.0
    }

    /// The number of consumers of the request queue.
    pub async fn consumers(&self) -> u32 {
        self.counts("requests").await.1
    }

    async fn counts(&self, queue: &str) -> (u32, u32) {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = format!("{}.{queue}", self.name);
        let found = self.channel.queue_declare(queue.into(), passive, Default::default()).await;
        let found = found.expect("the queue is there");
        (found.message_count(), found.consumer_count())
    }
}

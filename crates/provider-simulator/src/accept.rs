//! How a message gets into the ledger: on disk first, then in the book, then its receipts are due.
//!
//! Runs in a task of its own: a caller that leaves in the middle changes nothing any more, as at a
//! real provider. What the caller is answered is not decided here.

use std::{io, sync::Arc};

use super::{
    call_log::CallNumber,
    call_plan::{self, Posting},
    records::{Accepted, Correlation, Detail, Line, Provider, Verdict},
    state::{SimulatorState, Verdicted},
    webhook_sender::WebhookSequence,
};

/// A message that a provider is about to take.
#[derive(Debug)]
pub(super) struct Parcel {
    pub provider: Provider,
    pub provider_id: String,
    pub recipient: String,
    pub from: String,
    pub text_or_subject: String,
    pub correlation: Correlation,
    pub detail: Detail,
    pub raw: Vec<u8>,
}

impl SimulatorState {
    /// Returns when the acceptance is on disk and, for an `early` recipient, its receipts are posted.
    pub(super) async fn accept(self: &Arc<Self>, parcel: Parcel, decided: Verdicted) -> io::Result<()> {
        let house = Arc::clone(self);
        let task = tokio::spawn(async move { house.take_in(parcel, decided).await });
        task.await.map_err(io::Error::other)?
    }

    async fn take_in(self: Arc<Self>, parcel: Parcel, decided: Verdicted) -> io::Result<()> {
        let (accepted, detail) = self.enter(parcel);
        let shown = Accepted { raw: Vec::new(), ..accepted.clone() };
        let notices = call_plan::notices(decided.magic, accepted.provider);
        let telling = WebhookSequence {
            accepted: shown,
            detail: detail.clone(),
            notices,
            posting: call_plan::posting(decided.magic),
        };
        // Taken before the acceptance can be seen, so that nobody sees it settled too soon.
        let pending = self.courier.pending();
        let (accepted, detail) = self.write_down(accepted, detail).await?;
        self.note(decided.call, accepted, detail);
        let early = telling.posting == Posting::Early;
        let told = self.tell_in_background(telling, pending);
        if early {
            told.await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn enter(&self, parcel: Parcel) -> (Accepted, Detail) {
        let mut raw = parcel.raw;
        raw.truncate(self.behaviour().raw_bytes_max);
        raw.shrink_to_fit();
        let accepted = Accepted {
            provider: parcel.provider,
            provider_id: parcel.provider_id,
            recipient: parcel.recipient,
            from: parcel.from,
            text_or_subject: parcel.text_or_subject,
            correlation: parcel.correlation.message,
            attempt: parcel.correlation.attempt,
            accepted_at: postrider_clock::wall(),
            raw,
            last_status: match parcel.provider {
                Provider::Mailgun => "accepted".to_owned(),
                Provider::Twilio | Provider::Smtp => "queued".to_owned(),
            },
        };
        (accepted, parcel.detail)
    }

    async fn write_down(&self, accepted: Accepted, detail: Detail) -> io::Result<(Accepted, Detail)> {
        let Some(disk) = &self.disk else { return Ok((accepted, detail)) };
        let line = Line::Accepted { accepted: Box::new(accepted), detail: Box::new(detail) };
        disk.write_durably(&line).await?;
        match line {
            Line::Accepted { accepted, detail } => Ok((*accepted, *detail)),
            Line::Told { .. } => unreachable!("the line was made just above, as an acceptance"),
        }
    }

    fn note(&self, call: CallNumber, accepted: Accepted, detail: Detail) {
        self.change(|book| {
            book.settle(call, Verdict::Accepted);
            book.accept(accepted, detail);
        });
    }
}

//! The simulator's journal: the `CallLog` in memory, its file, and a signal for every change.
//!
//! The lock is held for one read or one change, never across an await.

use std::{
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::watch;

use crate::{
    call_log::{CallLog, CallNumber},
    clock,
    journal_file::JournalFile,
    records::{AcceptanceDetail, Accepted, JournalLine, RecordedEvent, StatusEvent, Verdict},
};

#[derive(Debug)]
pub(crate) struct Journal {
    log: Mutex<CallLog>,
    file: Option<JournalFile>,
    changed: watch::Sender<()>,
}

impl Journal {
    /// Opens the journal; without a path it lives in memory only. The handle is that of the file's writer
    /// thread, which ends when the journal is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened, or one of its lines cannot be read.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<(Journal, Option<JoinHandle<()>>)> {
        let mut log = CallLog::default();
        let (file, writer) = match path {
            None => (None, None),
            Some(path) => {
                let (file, writer, lines) = JournalFile::open(path)?;
                lines.into_iter().for_each(|line| log.restore(line));
                (Some(file), Some(writer))
            }
        };
        Ok((Journal { log: Mutex::new(log), file, changed: watch::Sender::new(()) }, writer))
    }

    /// The log, to read. A poisoned lock still guards whole records: each change is one push.
    pub(crate) fn read(&self) -> MutexGuard<'_, CallLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the log and wakes the receivers of `changes`.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut CallLog) -> T) -> T {
        let result = change(&mut self.read());
        self.changed.send_replace(());
        result
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Writes an acceptance to the file, then to the log; returns when it is on disk.
    pub(crate) async fn accept(
        &self,
        call: CallNumber,
        accepted: Accepted,
        detail: AcceptanceDetail,
    ) -> io::Result<()> {
        if let Some(file) = &self.file {
            let (accepted, detail) = (Box::new(accepted.clone()), Box::new(detail.clone()));
            file.write_durably(&JournalLine::Accepted { accepted, detail }).await?;
        }
        self.change(|log| {
            log.settle(call, Verdict::Accepted);
            log.accept(accepted, detail);
        });
        Ok(())
    }

    /// Records a status event of a message; returns when its line is queued for the file.
    pub(crate) async fn record_event(&self, provider_id: &str, event: StatusEvent) -> RecordedEvent {
        let recorded = RecordedEvent { id: clock::random_id(), at: clock::now(), event, acknowledged: false };
        if let Some(file) = &self.file {
            let line = JournalLine::Event { provider_id: provider_id.to_owned(), recorded };
            if let Err(problem) = file.write(&line).await {
                tracing::error!(%problem, "write simulator journal");
            }
        }
        self.change(|log| log.record_event(provider_id, recorded));
        recorded
    }
}

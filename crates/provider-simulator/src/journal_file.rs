//! The journal file: append-only JSON lines, on disk before an acceptance is answered.
//!
//! One thread writes all waiting lines and syncs once for the group (group commit). On start the file is read
//! back; a last line torn by a crash was never answered for, so it is cut off.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
    thread::JoinHandle,
};

use tokio::sync::{mpsc, oneshot};

use crate::records::JournalLine;

/// Lines that may wait for the writer thread; beyond it calls wait.
const WAITING_MAX: usize = 8_192;
const GROUP_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) struct JournalFile {
    sender: mpsc::Sender<PendingLine>,
}

#[derive(Debug)]
struct PendingLine {
    bytes: Vec<u8>,
    synced: Option<oneshot::Sender<Result<(), io::ErrorKind>>>,
}

impl JournalFile {
    /// Opens or creates the file and returns its lines. The thread ends when the `JournalFile` is dropped.
    pub(crate) fn open(path: &Path) -> io::Result<(JournalFile, JoinHandle<()>, Vec<JournalLine>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let (lines, whole_bytes) = read_back(&file)?;
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("simulator-journal".to_owned())
            .spawn(move || write_all_groups(file, receiver))?;
        Ok((JournalFile { sender }, thread, lines))
    }

    /// Returns when the line is on disk.
    pub(crate) async fn write_durably(&self, line: &JournalLine) -> io::Result<()> {
        let (synced, on_disk) = oneshot::channel();
        self.send(line, Some(synced)).await?;
        on_disk.await.map_err(|_| writer_ended())?.map_err(io::Error::from)
    }

    /// Returns when the line is queued for the writer thread, in order.
    pub(crate) async fn write(&self, line: &JournalLine) -> io::Result<()> {
        self.send(line, None).await
    }

    async fn send(
        &self,
        line: &JournalLine,
        synced: Option<oneshot::Sender<Result<(), io::ErrorKind>>>,
    ) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.sender.send(PendingLine { bytes, synced }).await.map_err(|_| writer_ended())
    }
}

fn writer_ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the writer thread of the journal file has ended")
}

/// The lines, and how many bytes of the file they make up.
fn read_back(file: &File) -> io::Result<(Vec<JournalLine>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut lines, mut whole_bytes, mut text) = (Vec::new(), 0, Vec::new());
    loop {
        text.clear();
        let read = reader.read_until(b'\n', &mut text)?;
        if read == 0 || text.last() != Some(&b'\n') {
            return Ok((lines, whole_bytes));
        }
        let line = serde_json::from_slice(&text).map_err(|problem| {
            let number = lines.len() + 1;
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "line {number} of the journal file is not a journal line ({problem}); give another file"
                ),
            )
        })?;
        lines.push(line);
        whole_bytes += read as u64;
    }
}

fn write_all_groups(mut file: File, mut receiver: mpsc::Receiver<PendingLine>) {
    let (mut group, mut text) = (Vec::with_capacity(GROUP_MAX), Vec::new());
    while receiver.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        text.clear();
        group.iter().for_each(|line| text.extend_from_slice(&line.bytes));
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        let result = written.map_err(|problem| {
            tracing::error!(%problem, "write simulator journal");
            problem.kind()
        });
        for synced in group.drain(..).filter_map(|line| line.synced) {
            // The receiver is gone if the caller left meanwhile.
            let _ = synced.send(result);
        }
    }
}

//! The ledger file: append-only JSON lines, on disk before an acceptance is answered.
//!
//! One thread writes what came together and syncs once for all of it (group commit). On start the file
//! is read back; a last line torn by a crash was never answered for, so it is cut off.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
    thread::JoinHandle,
};

use tokio::sync::{mpsc, oneshot};

use super::records::Line;

/// Lines that may wait for the writer; more is back-pressure on the callers.
const WAITING_MAX: usize = 8_192;
const GROUP_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Disk {
    sender: mpsc::Sender<Writing>,
}

#[derive(Debug)]
struct Writing {
    line: Vec<u8>,
    done: Option<oneshot::Sender<Result<(), io::ErrorKind>>>,
}

impl Disk {
    /// Opens or creates the file and gives back what it holds. The thread ends with the `Disk`.
    pub(super) fn open(path: &Path) -> io::Result<(Disk, JoinHandle<()>, Vec<Line>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let (lines, whole_bytes) = read_back(&file)?;
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("simulator-ledger".to_owned())
            .spawn(move || write_all_groups(file, receiver))?;
        Ok((Disk { sender }, thread, lines))
    }

    /// Returns when the line is on disk.
    pub(super) async fn write_durably(&self, line: &Line) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.send(line, Some(done)).await?;
        written.await.map_err(|_| writer_ended())?.map_err(io::Error::from)
    }

    /// Returns when the line waits for the writer, in order.
    pub(super) async fn write(&self, line: &Line) -> io::Result<()> {
        self.send(line, None).await
    }

    async fn send(
        &self,
        line: &Line,
        done: Option<oneshot::Sender<Result<(), io::ErrorKind>>>,
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.sender.send(Writing { line, done }).await.map_err(|_| writer_ended())
    }
}

fn writer_ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the ledger's writer has ended")
}

/// The lines, and how many bytes of the file they make up.
fn read_back(file: &File) -> io::Result<(Vec<Line>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut lines, mut whole_bytes, mut text) = (Vec::new(), 0, Vec::new());
    loop {
        text.clear();
        let read = reader.read_until(b'\n', &mut text)?;
        if read == 0 || text.last() != Some(&b'\n') {
            return Ok((lines, whole_bytes));
        }
        let line = serde_json::from_slice(&text).map_err(|problem| {
            let place = lines.len() + 1;
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "line {place} of the ledger file is not a ledger line ({problem}): name another file"
                ),
            )
        })?;
        lines.push(line);
        whole_bytes += read as u64;
    }
}

fn write_all_groups(mut file: File, mut receiver: mpsc::Receiver<Writing>) {
    let (mut group, mut text) = (Vec::with_capacity(GROUP_MAX), Vec::new());
    while receiver.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        text.clear();
        group.iter().for_each(|writing| text.extend_from_slice(&writing.line));
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        let result = written.map_err(|problem| {
            tracing::error!(%problem, "write simulator ledger");
            problem.kind()
        });
        for done in group.drain(..).filter_map(|writing| writing.done) {
            // A caller that left meanwhile needs no answer.
            let _ = done.send(result);
        }
    }
}

//! Batches from a queue: the first item, and the items that follow within a moment.
//!
//! One statement for many rows costs little more than one for a single row, so writers collect items briefly.
//! `Batcher` only collects; writing, answering and carrying over are its caller's. Two batchers stay apart, because
//! they start a batch by more than a count and a time: `amqp::consumer` (acknowledgements in tag order) and
//! `intake::http_batcher` (two batches in flight, a lone job at once).

use std::time::Duration;

use tokio::{sync::mpsc, time};

/// Collects the items of a queue into batches.
pub struct Batcher<T> {
    queue: mpsc::Receiver<T>,
    batch_max: usize,
    linger: Duration,
}

impl<T> Batcher<T> {
    /// A batch has at most `batch_max` items; it waits at most `linger` for items after its first one. Zero takes
    /// only the items that are queued already.
    #[must_use]
    pub fn new(queue: mpsc::Receiver<T>, batch_max: usize, linger: Duration) -> Batcher<T> {
        Batcher { queue, batch_max, linger }
    }

    /// The next batch, never empty; `None` once all senders are gone and the queue is empty. Not cancel-safe:
    /// items of an unfinished batch are lost with the future.
    pub async fn next(&mut self) -> Option<Vec<T>> {
        let mut batch = Vec::new();
        if self.queue.recv_many(&mut batch, self.batch_max).await == 0 {
            return None;
        }
        if self.linger.is_zero() {
            return Some(batch);
        }
        let full_at = time::sleep(self.linger);
        tokio::pin!(full_at);
        while batch.len() < self.batch_max {
            let room = self.batch_max - batch.len();
            tokio::select! {
                biased;
                () = &mut full_at => break,
                count = self.queue.recv_many(&mut batch, room) => if count == 0 { break },
            }
        }
        Some(batch)
    }

    /// Whether no item is queued at the moment.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batcher(items: std::ops::Range<u32>, linger: Duration) -> (mpsc::Sender<u32>, Batcher<u32>) {
        let (sender, queue) = mpsc::channel(16);
        items.for_each(|item| sender.try_send(item).expect("there is room"));
        (sender, Batcher::new(queue, 4, linger))
    }

    #[tokio::test]
    async fn a_full_batch_does_not_wait_and_the_rest_is_the_next_one() {
        let (sender, mut batcher) = batcher(0..6, Duration::from_secs(3_600));
        assert_eq!(batcher.next().await, Some(vec![0, 1, 2, 3]));
        drop(sender);
        assert_eq!(batcher.next().await, Some(vec![4, 5]), "closed senders end the wait");
        assert_eq!(batcher.next().await, None);
    }

    #[tokio::test]
    async fn items_within_the_linger_join_the_batch() {
        let (sender, mut batcher) = batcher(0..1, Duration::from_millis(200));
        let (batch, ()) = tokio::join!(batcher.next(), async { sender.send(1).await.expect("is open") });
        assert_eq!(batch, Some(vec![0, 1]));
    }

    #[tokio::test]
    async fn without_a_linger_only_queued_items_are_taken() {
        let (_sender, mut batcher) = batcher(0..3, Duration::ZERO);
        assert_eq!(batcher.next().await, Some(vec![0, 1, 2]));
        assert!(batcher.is_idle());
    }
}

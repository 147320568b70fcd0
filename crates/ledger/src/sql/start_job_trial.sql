-- Writes a trial record for a job, unless one exists; returns the record that exists, which another worker may have
-- left when it crashed. Records older than 30 days are deleted.
with forgotten as (
    delete from trial_record where recorded_at < now() - interval '30 days' and key <> $1
)
insert into trial_record as s (key, worker, deliveries) values ($1, $2, $3)
on conflict (key) do update set deliveries = s.deliveries
returning worker, deliveries, recorded_at

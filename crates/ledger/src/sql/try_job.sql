-- Write down that a job is tried alone from now on; gives what stands there, which is another worker's where
-- that one did not live to take it back. What nobody came back for is forgotten.
with forgotten as (
    delete from trial_record where recorded_at < now() - interval '30 days' and key <> $1
)
insert into trial_record as s (key, worker, deliveries) values ($1, $2, $3)
on conflict (key) do update set deliveries = s.deliveries
returning worker, deliveries, recorded_at

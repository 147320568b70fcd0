-- Quarantined jobs among those that were refused.
select count(*) as "count!" from rejected_job
where replayed_at is null and problems @> '[{"code": "quarantined"}]' and ($1::int is null or company = $1)

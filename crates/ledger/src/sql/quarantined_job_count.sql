-- Number of rejected jobs that were quarantined and not replayed.
select count(*) as "count!" from rejected_job
where replayed_at is null and problems @> '[{"code": "quarantined"}]' and ($1::int is null or company = $1)

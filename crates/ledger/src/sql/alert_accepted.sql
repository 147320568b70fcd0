-- Counts accepted requests of the last hour up to $3; a higher number changes no decision.
select count(*) as "count!" from (
    select 1 from request r
    where r.company = $1 and r.id > $2 and not r.test and r.source <> 4 and r.created_at > now() - interval '1 hour'
    limit $3) few

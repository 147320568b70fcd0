-- Rows that must be gone when all requests have ended.
select (select count(*) from lease) as "leases!", (select count(*) from due) as "dues!",
    (select count(*) from message where state in (0, 1, 2)) as "queued!"

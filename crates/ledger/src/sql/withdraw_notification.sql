-- Withdraws the notification of an interaction that was reopened. The interaction's row is locked: a report of its
-- end either committed before and changed the version, or comes later and stores the notification anew. `coalesce`:
-- with `is null` a young database would read the index of all open notifications instead of the key.
with unchanged as (
    select i.key from interaction i where i.key = $1 and i.version = $2 for no key update
)
delete from notification n
where n.key = $1 and coalesce(n.done_at, 'infinity') = 'infinity' and n.job is null and exists (select 1 from unchanged)

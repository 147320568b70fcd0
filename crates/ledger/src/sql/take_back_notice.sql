-- A notice whose interaction was taken up again. The interaction is held meanwhile: whoever tells its end is
-- there before this, and then nothing is taken back, or comes after it, and then notes it anew. (`is null` would
-- let a young database read the index of all open notices instead of the key.)
with unchanged as (
    select i.key from interaction i where i.key = $1 and i.version = $2 for no key update
)
delete from notification n
where n.key = $1 and coalesce(n.done_at, 'infinity') = 'infinity' and n.job is null and exists (select 1 from unchanged)

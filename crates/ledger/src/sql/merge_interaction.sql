-- Writes the merged facts of an interaction if its version is still $4, and its notification once the facts are
-- complete ($7 given). An existing notification stays as it is.
with merged as (
    insert into interaction as i (key, company, facts, version) values ($1, $2, $3, 1)
    on conflict (key) do update set facts = excluded.facts, version = i.version + 1, changed_at = now()
        where i.version = $4
    returning i.key
),
stored as (
    insert into notification (key, company, connector, name, due_at)
    select l.key, $2, $5, $6, now() + make_interval(secs => $7::float8) from merged l where $7 is not null
    on conflict (key) do nothing
)
select count(*) as "merged!" from merged

-- What is known of an interaction by now, if nobody else added to it meanwhile; and its notice, once it is
-- complete. A notice that is there already is left as it is.
with learnt as (
    insert into interaction as i (key, company, facts, version) values ($1, $2, $3, 1)
    on conflict (key) do update set facts = excluded.facts, version = i.version + 1, changed_at = now()
        where i.version = $4
    returning i.key
),
noted as (
    insert into notification (key, company, connector, name, due_at)
    select l.key, $2, $5, $6, now() + make_interval(secs => $7::float8) from learnt l where $7 is not null
    on conflict (key) do nothing
)
select count(*) as "learnt!" from learnt

-- Deletes notifications that were done, and interactions that last changed, more than $1 seconds ago; $2 rows of
-- each at most. The age of an interaction is compared again, because a concurrent report may have changed it.
with done as (
    delete from notification where key in (
        select n.key from notification n where n.done_at < now() - make_interval(secs => $1::float8) order by n.done_at limit $2)
    returning 1
),
reports as (
    delete from interaction where key in (
        select i.key from interaction i
        where i.changed_at < now() - make_interval(secs => $1::float8)
            and not exists (select 1 from notification n where n.key = i.key and n.done_at is null)
        order by i.changed_at limit $2)
        and changed_at < now() - make_interval(secs => $1::float8)
    returning 1
)
select (select count(*) from done) + (select count(*) from reports) as "deleted!"

-- Notices and interactions that are long over; what they became stays. One that is told more of at this very
-- moment is looked at again: hence its time once more.
with done as (
    delete from notification where key in (
        select n.key from notification n where n.done_at < now() - make_interval(secs => $1::float8) order by n.done_at limit $2)
    returning 1
),
told as (
    delete from interaction where key in (
        select i.key from interaction i
        where i.changed_at < now() - make_interval(secs => $1::float8)
            and not exists (select 1 from notification n where n.key = i.key and n.done_at is null)
        order by i.changed_at limit $2)
        and changed_at < now() - make_interval(secs => $1::float8)
    returning 1
)
select (select count(*) from done) + (select count(*) from told) as "forgotten!"

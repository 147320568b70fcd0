-- Deletes due rows whose message is neither waiting nor unknown.
delete from due d using message m
where d.message = any($1::uuid[]) and m.id = d.message and (m.state not in (0, 2))

-- Deletes due rows of messages that are neither waiting nor unknown.
delete from due d using message m
where d.message = any($1::uuid[]) and m.id = d.message and (m.state not in (0, 2))

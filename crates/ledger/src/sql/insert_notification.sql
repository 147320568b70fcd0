-- Stores a notification; a repeat changes nothing.
insert into notification (key, company, connector, name, body, due_at) values ($1, $2, $3, $4, $5, now())
on conflict (key) do nothing

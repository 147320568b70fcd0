-- Marks a request as answered, once, with a record of the person.
with answered as (
    insert into answer (request, source) values ($1, $2::text) on conflict (request) do nothing
    returning request
)
insert into request_action (request, message, action, entry_point, api_key, requested_by, note)
select request, request, 'answered', $2::text, $3::uuid, $4::text, $5::text from answered

insert into answer (request, source) values ($1, $2) on conflict (request) do nothing

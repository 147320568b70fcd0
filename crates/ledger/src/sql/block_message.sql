-- Block the address that a message went to.
insert into block as b (addr, company, medium, kinds, source)
select addr, company, medium, $2, $3 from message where id = $1 and addr is not null and medium is not null
on conflict (addr) do update set kinds = b.kinds | excluded.kinds, at = now(), source = excluded.source

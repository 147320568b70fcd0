-- Team members by the keys of their email addresses.
select u.key as "email_key!", m.custom_key, m.role from unnest($1::uuid[]) u(key) join member m on m.email_key = u.key

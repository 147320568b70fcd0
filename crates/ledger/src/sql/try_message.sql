-- Write down that a suspect is tried alone from now on: if its lease runs out like this, it is accused.
update message set lease_expiries = $3 where id = $1 and epoch = $2 and state = 0 and paused_at is null

-- Marks the exclusive trial of a poison suspect: an expiry of this lease quarantines it.
update message set lease_expiries = $3 where id = $1 and epoch = $2 and state = 0 and paused_at is null

-- Members of a batch are random ids: compressing them costs time and saves nothing.
alter table lease alter column members set storage external;
alter table watch alter column members set storage external;

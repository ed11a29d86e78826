-- When the present consent was given; connected_at stays the time of the first. Null for one from before this column: as connected_at.
alter table connections add column consented_at timestamptz;

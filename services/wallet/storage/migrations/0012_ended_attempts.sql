-- For the sweep of attempts that ended long ago.
create index enrolment_attempts_ended on enrolment_attempts (ended_at) where ended_at is not null;

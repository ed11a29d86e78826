-- A refresh whose answer was lost goes before whatever is merely due. Told in the row, so that a sweep need not look through the intents
-- and the journal for it: in a long sweep those hold ten thousands of rows that have just been deleted.
alter table connections add column refresh_unsettled boolean not null default false;
create index connections_refresh_unsettled on connections (refresh_due_at) where refresh_unsettled and refresh_holder is null;

update connections held set refresh_unsettled = true
  from refresh_intents intent
  where held.tenant = intent.tenant and held.user_id = intent.user_id and held.connection_id = intent.connection_id
    and held.refresh_epoch = intent.epoch and held.token_version = intent.token_version
    and held.refresh_holder is null and held.refresh_due_at is not null;
-- Answers that came after a refusal was believed: due from now on, as those that come later will be.
update connections held set refresh_due_at = now()
  from refresh_journal kept
  where held.tenant = kept.tenant and held.user_id = kept.user_id and held.connection_id = kept.connection_id
    and held.generation = kept.generation and held.refresh_holder is null and held.refresh_outcome = 'reauth_required'
    and held.state_reason = 'consent_ended';

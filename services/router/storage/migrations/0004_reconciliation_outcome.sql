-- What an operator learned of an outcome that no program could find out. A closed entry stays, off the list.
alter table reconciliation
  add column outcome text check (outcome in ('done', 'not_done')),
  add column resolved_at timestamptz,
  add column resolved_by text,
  add constraint reconciliation_resolved check (
    (outcome is null) = (resolved_at is null) and (outcome is null) = (resolved_by is null));
drop index reconciliation_by_age;
create index reconciliation_by_age on reconciliation (created_at, merchant_id, payment_id, operation_id)
  where outcome is null;
create index reconciliation_by_operation on reconciliation (operation_id);

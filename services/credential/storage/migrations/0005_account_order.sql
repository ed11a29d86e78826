-- Accounts are shown in the order their provider lists them.
alter table provider_accounts add column position smallint not null default 0;

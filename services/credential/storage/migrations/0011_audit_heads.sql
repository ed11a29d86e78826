-- The heads of the audit's chains, signed every few minutes: a chain cut at its end, its head row included, no longer fits them.
create table audit_signed_heads (
  -- 1, 2, 3 and so on: a gap shows.
  number bigint primary key check (number > 0),
  signed_at timestamptz not null,
  -- JSON: the chains that have moved since the record before, each with its sequence and hash.
  heads text not null,
  -- SHA-256 of the record before; zeros in the first.
  previous_hash bytea not null check (length(previous_hash) = 32),
  signature bytea not null check (length(signature) = 64)
);

-- How far each chain is signed.
create table audit_signed_chains (
  tenant text not null,
  chain smallint not null,
  sequence bigint not null,
  primary key (tenant, chain)
);

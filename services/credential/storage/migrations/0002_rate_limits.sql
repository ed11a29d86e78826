-- Counters of the rate limiter (services/platform/limits), one row for a key and window. Unlogged: losing them in a
-- crash lets callers start a new window, and writing them costs half.
create unlogged table rate_limit_windows (
  class text not null,
  -- SHA-256 of what is limited: it may be an address or an e-mail, which have no place here.
  key_hash bytea not null,
  window_start timestamptz not null,
  window_end timestamptz not null,
  used integer not null,
  primary key (class, key_hash, window_start)
);
create index rate_limit_windows_by_end on rate_limit_windows (window_end);

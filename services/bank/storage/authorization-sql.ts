import type { HotStatement } from "../../platform/db/hot-statements.ts";

/*
 * The statements of authorize, hot ones. Row locks are always taken tokens first, then cards, each in
 * the order of their names, so that two batches hardly ever wait for each other in a circle.
 */

/**
 * Tokens with their cards; what of those cards' holds has lapsed; the answers of keys that were used before: rows of three kinds, told apart by
 * what is null. All of one moment, and nothing is locked: `token_seen` and `card_seen` tell where a row lies, its version and its key. Each row is
 * the first of those from its key on, which the primary key alone can tell: a plan made while a table held a few rows would read all of it
 * otherwise, or skip through another index, and is kept while the table grows.
 */
export const readSql: HotStatement = {
  name: "bank_authorize_read",
  text: `select t.token_ref, t.kind, t.card_id, t.customer_id as token_customer_id, t.merchant_id, t.amount_minor,
      t.currency as token_currency, t.expires_at, t.consumed_at, t.revoked_at, t.seen as token_seen,
      c.customer_id, c.status, c.currency, c.credit_limit_minor, c.owed_minor, c.held_minor, c.seen as card_seen,
      null::bigint as lapsed_minor, null as idempotency_key, null::bytea as request_hash, null as authorization_code,
      null as decline_reason, null::bigint as available_after_minor
      from unnest($1::text[]) as asked(ref)
      cross join lateral (
        select token_ref, kind, card_id, customer_id, merchant_id, amount_minor, currency, expires_at, consumed_at, revoked_at,
            ctid::text || ' ' || xmin::text || ' ' || token_ref as seen
          from card_tokens where token_ref >= asked.ref order by token_ref limit 1
      ) as t
      cross join lateral (
        select id, customer_id, status, currency, credit_limit_minor, owed_minor, held_minor,
            ctid::text || ' ' || xmin::text || ' ' || id::text as seen
          from cards where id >= t.card_id order by id limit 1
      ) as c
      where t.token_ref = asked.ref and c.id = t.card_id
    union all
    select null, null, card_id, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
      sum(amount_minor)::bigint, null, null, null, null, null
      from authorizations
     where state = 'PENDING' and expires_at <= $2
       and card_id = any((select array_agg(card_id) from card_tokens where token_ref = any($1::text[]))::uuid[])
     group by card_id
    union all
    select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
      idempotency_key, request_hash, authorization_code, decline_reason, available_after_minor
      from authorizations where idempotency_key = any($3::text[])`,
};

/** Locks the tokens and their cards until the transaction ends. */
export const lockSql: HotStatement = {
  name: "bank_authorize_lock",
  text: `with token as materialized (
      select card_id from card_tokens where token_ref = any($1::text[]) order by token_ref for no key update
    )
    select 1 from cards where id in (select card_id from token) order by id for no key update`,
};

/**
 * Writes a batch: its $24 authorizations, the tokens it uses up and the cards it holds money on, these two in the versions that were read. It
 * writes all of it or fails: with a unique violation when a key was used meanwhile, and with the text below, SQLSTATE 22P02, when a
 * token or card was changed.
 */
export const writeSql: HotStatement = {
  name: "bank_authorize_write",
  text: `with written as (
      insert into authorizations (id, authorization_code, state, card_id, token_ref, merchant_id, merchant_name, order_id,
          description, currency, amount_minor, decline_reason, available_after_minor, idempotency_key, request_hash,
          created_at, expires_at, closed_at)
      select n.id, n.code, case when n.reason is null then 'PENDING' else 'DECLINED' end, n.card_id, n.token_ref,
          n.merchant_id, n.merchant_name, n.order_id, n.description, n.currency, n.amount_minor, n.reason,
          n.available_minor, n.key, n.hash, $15::timestamptz, $16::timestamptz, case when n.reason is not null then $15::timestamptz end
        from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
          $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[]) as n(id, code, reason,
          card_id, token_ref, merchant_id, merchant_name, order_id, description, currency, amount_minor,
          available_minor, key, hash)
      returning 1
    ), spent as (
      update card_tokens t set consumed_at = $15::timestamptz, merchant_id = coalesce(t.merchant_id, s.merchant_id),
          amount_minor = coalesce(t.amount_minor, s.amount_minor), currency = coalesce(t.currency, s.currency)
        from unnest($17::text[], $18::text[], $19::bigint[], $20::text[]) as s(seen, merchant_id, amount_minor, currency)
       where t.ctid = split_part(s.seen, ' ', 1)::tid and t.consumed_at is null
         and t.ctid::text || ' ' || t.xmin::text || ' ' || t.token_ref = s.seen
      returning 1
    ), held as (
      update cards c set held_minor = c.held_minor + h.amount_minor, updated_at = $15::timestamptz
        from unnest($21::text[], $22::bigint[], $23::bigint[]) as h(seen, amount_minor, lapsed_minor)
       where c.ctid = split_part(h.seen, ' ', 1)::tid and c.ctid::text || ' ' || c.xmin::text || ' ' || c.id::text = h.seen
         and c.credit_limit_minor - c.owed_minor - c.held_minor + h.lapsed_minor >= h.amount_minor
      returning 1
    )
    select case when (select count(*) from written) = $24::integer and (select count(*) from spent) = cardinality($17::text[])
        and (select count(*) from held) = cardinality($21::text[])
      then '1' else 'a card or its token was changed between reading and writing, the batch is answered again' end::integer`,
};

/*
 * The statements of authorize, each named: parsed and planned once a connection. Row locks are always taken tokens first, then cards, each in
 * the order of their ids: two batches cannot wait for each other in a circle.
 */

/**
 * Settings of the connections that authorize: left to itself the planner may read a whole table to join it with a few
 * dozen values, and plan anew for every batch. Every access here is by index.
 */
export const sessionSql = `set plan_cache_mode = force_generic_plan; set enable_hashjoin = off;
  set enable_mergejoin = off; set enable_seqscan = off; set enable_bitmapscan = off`;

const tokenColumns = `t.token_ref, t.kind, t.card_id, t.customer_id as token_customer_id, t.merchant_id, t.amount_minor,
    t.currency as token_currency, t.expires_at, t.consumed_at, t.revoked_at`;
const cardColumns = "c.customer_id, c.status, c.currency, c.credit_limit_minor, c.owed_minor, c.held_minor";
const answerColumns = "idempotency_key, request_hash, authorization_code, decline_reason, available_after_minor";

/**
 * Tokens with their cards and what of the cards' holds has lapsed, and the answers of keys that were used before: rows of two kinds, told
 * apart by `token_ref`. All of one moment, and nothing is locked: `token_seen` and `card_seen` name the versions that were read.
 */
export const readSql = {
  name: "bank_authorize_read",
  text: `with token as materialized (
      select t.*, t.xmin::text as seen from card_tokens t where t.token_ref = any($1::text[])
    ), card as materialized (
      select c.*, c.xmin::text as seen from cards c where c.id = any((select array_agg(card_id) from token)::uuid[])
    ), lapsed as materialized (
      select card_id, sum(amount_minor)::bigint as minor from authorizations
       where state = 'PENDING' and expires_at <= $2 and card_id = any((select array_agg(id) from card)::uuid[])
       group by card_id
    )
    select ${tokenColumns}, ${cardColumns}, coalesce(l.minor, 0) as lapsed_minor, t.seen as token_seen, c.seen as card_seen,
           null as idempotency_key, null::bytea as request_hash, null as authorization_code, null as decline_reason,
           null::bigint as available_after_minor
      from token t join card c on c.id = t.card_id left join lapsed l on l.card_id = c.id
    union all
    select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
           ${answerColumns}
      from authorizations where idempotency_key = any($3::text[])`,
};

/** Locks the tokens and their cards until the transaction ends. */
export const lockSql = {
  name: "bank_authorize_lock",
  text: `with token as materialized (
      select card_id from card_tokens where token_ref = any($1::text[]) order by token_ref for no key update
    )
    select 1 from cards where id in (select card_id from token) order by id for no key update`,
};

/**
 * Writes a batch when all tokens ($24) and cards ($26) are still in the versions that were read ($25, $27); else nothing, and `is_written` is
 * false. A key that was taken meanwhile is a unique violation, and a write of another size than expected ($28 rows) a division by zero:
 * then nothing stands either.
 */
export const writeSql = {
  name: "bank_authorize_write",
  text: `with token as materialized (
      select t.xmin::text = ($25::text[])[array_position($24::text[], t.token_ref)] as is_same
        from card_tokens t where t.token_ref = any($24::text[]) order by t.token_ref for no key update
    ), card as materialized (
      select c.xmin::text = ($27::text[])[array_position($26::uuid[], c.id)] as is_same
        from cards c where c.id = any($26::uuid[]) and (select count(*) from token) >= 0 order by c.id for no key update
    ), met as materialized (
      select (select count(*) from token where is_same) = cardinality($24::text[])
        and (select count(*) from card where is_same) = cardinality($26::uuid[]) as all_met
    ), written as (
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
       where (select all_met from met)
      returning 1
    ), spent as (
      update card_tokens t set consumed_at = $15::timestamptz, merchant_id = coalesce(t.merchant_id, s.merchant_id),
          amount_minor = coalesce(t.amount_minor, s.amount_minor), currency = coalesce(t.currency, s.currency)
        from unnest($17::text[], $18::text[], $19::bigint[], $20::text[]) as s(ref, merchant_id, amount_minor, currency)
       where t.token_ref = s.ref and t.consumed_at is null and (select all_met from met)
      returning 1
    ), held as (
      update cards c set held_minor = c.held_minor + h.amount_minor, updated_at = $15::timestamptz
        from unnest($21::uuid[], $22::bigint[], $23::bigint[]) as h(id, amount_minor, lapsed_minor)
       where c.id = h.id and c.credit_limit_minor - c.owed_minor - c.held_minor + h.lapsed_minor >= h.amount_minor
         and (select all_met from met)
      returning 1
    )
    select all_met as is_written, 1 / (not all_met or (
        (select count(*) from written) = $28::integer and (select count(*) from spent) = cardinality($17::text[])
        and (select count(*) from held) = cardinality($21::uuid[])))::int as is_whole
      from met`,
};

import type { Pool } from "pg";

const sweepRowsMax = 1_000;

/** What a replica asks of one window. */
export interface LeaseRequest {
  readonly class: string;
  readonly keyHash: Buffer;
  readonly limit: number;
  readonly windowSeconds: number;
  readonly wanted: number;
}

/** What it got. */
export interface LeasedWindow {
  /** 0 to `wanted`; less than that means the window is used up. */
  readonly granted: number;
  readonly endsInMs: number;
}

// One statement: replicas that ask at once queue at the row, and `used` never counts a grant twice. A window that is used
// up is not written any more, so an attacker's requests cost a read.
const leaseSql = `
with bounds as (
  select to_timestamp(floor(extract(epoch from clock_timestamp()) / $4::int) * $4::int) as starts
), taken as (
  insert into rate_limit_windows as held (class, key_hash, window_start, window_end, used)
  select $1, $2, starts, starts + make_interval(secs => $4::int), $5::int from bounds
  on conflict (class, key_hash, window_start) do update set used = held.used + excluded.used where held.used < $3::int
  returning used
)
select
  coalesce((select least($5::int, $3::int - (used - $5::int)) from taken), 0) as granted,
  ceil(extract(epoch from starts + make_interval(secs => $4::int) - clock_timestamp()) * 1000)::int as ends_in_ms
from bounds`;

/** Takes up to `wanted` uses out of the current window of a key. */
export async function leaseFromWindow(pool: Pool, request: LeaseRequest): Promise<LeasedWindow> {
  const { rows } = await pool.query<{ granted: number; ends_in_ms: number }>({
    name: "rate-limit-lease",
    text: leaseSql,
    values: [request.class, request.keyHash, request.limit, request.windowSeconds, request.wanted],
  });
  const row = rows[0];
  if (!row) throw new Error("the lease statement returned no row");
  return { granted: row.granted, endsInMs: Math.max(0, row.ends_in_ms) };
}

/** Removes windows that have ended, a bounded number at a time; safe on several replicas. */
export async function sweepWindows(pool: Pool): Promise<number> {
  const { rowCount } = await pool.query(
    `delete from rate_limit_windows where (class, key_hash, window_start) in (
      select class, key_hash, window_start from rate_limit_windows
      where window_end < now() order by window_end limit $1 for update skip locked)`,
    [sweepRowsMax],
  );
  return rowCount ?? 0;
}

import { setTimeout as pause } from "node:timers/promises";
import type { Connection, ConnectionKey } from "../domain/connection.ts";
import { findConnection } from "../storage/connection-store.ts";
import type { Caller, Dependencies } from "./dependencies.ts";

const lookEveryMs = 50;
// A flight ends with its lease.
const waitMsMax = 20_000;

/**
 * A connection as it is once nobody replaces its token: at once, or when the flight that does has ended. `busy` when that is not so before
 * the caller's time is over, or the caller gone; undefined when there is no such connection.
 */
export async function afterRotation(
  deps: Pick<Dependencies, "storage">,
  key: ConnectionKey,
  caller: Pick<Caller, "signal" | "timeoutMs">,
): Promise<Connection | "busy" | undefined> {
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    const current = await findConnection(deps.storage.db.query, key);
    if (current?.refreshHolder === undefined) return current;
    const isOver = caller.signal.aborted || waitedMs >= waitMsMax || caller.timeoutMs() <= lookEveryMs;
    if (isOver) return "busy";
    await pause(lookEveryMs);
  }
}

import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import { listConnectionsBesides } from "../storage/connection-store.ts";
import type { Caller, Dependencies } from "./dependencies.ts";
import { readAccounts } from "./read-accounts.ts";
import type { Refresher } from "./refresh.ts";

const atOnceMax = 8;
// Of the caller's time, so that one slow provider leaves enough for the answer.
const deadlineMs = 6_000;

/** Accounts of every connection that could be read, and why the others could not. */
export interface ProviderOverview {
  readonly accounts: readonly { readonly connection: Connection; readonly account: ProviderAccount }[];
  readonly errors: readonly { readonly connection: Connection; readonly reason: string }[];
}

/** Reads an owner's connections of data providers, several at once, each for itself: one that fails or is slow hides no other. */
export async function listProviderAccounts(
  parts: { deps: Dependencies; refresher: Refresher },
  owner: Owner,
  caller: Caller,
): Promise<ProviderOverview> {
  const all = await listConnectionsBesides(parts.deps.storage.db, owner, "bsim");
  if (all.length === 0) return { accounts: [], errors: [] };
  const queue = [...all];
  const accounts: { connection: Connection; account: ProviderAccount }[] = [];
  const errors: { connection: Connection; reason: string }[] = [];
  const signal = AbortSignal.any([caller.signal, AbortSignal.timeout(deadlineMs)]);
  const each = { ...caller, signal, timeoutMs: () => Math.min(deadlineMs, caller.timeoutMs()) };
  const work = async (): Promise<void> => {
    for (let connection = queue.shift(); connection !== undefined; connection = queue.shift()) {
      try {
        for (const account of await readAccounts(parts, connection, each)) accounts.push({ connection, account });
      } catch (error) {
        errors.push({ connection, reason: reasonOf(parts.deps, connection, error) });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnceMax }, work));
  const byAge = new Map(all.map((connection, index) => [connection.connectionId, index]));
  const order = (one: { connection: Connection }) => byAge.get(one.connection.connectionId) ?? 0;
  accounts.sort((one, other) => order(one) - order(other));
  return { accounts, errors };
}

function reasonOf(deps: Dependencies, connection: Connection, error: unknown): string {
  if (error instanceof DomainError) return error.reason;
  // Something of ours is broken for this one connection; the others are told all the same.
  deps.log.error({ err: error, connectionId: connection.connectionId }, "accounts of a connection not read");
  return "PROVIDER_UNAVAILABLE";
}

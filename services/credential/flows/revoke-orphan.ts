import { randomUUID } from "node:crypto";
import type { TokenSet } from "../connectors/connector.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import { reviveErasure } from "../storage/erasure-store.ts";
import { insertRevocation } from "../storage/queue-revocation.ts";
import type { Tx } from "../storage/storage.ts";
import type { Dependencies } from "./dependencies.ts";
import { revocationTimes } from "./revoke-secrets.ts";

/** Tokens a provider gave for a connection that is no more, or never will be. */
export interface OrphanTokens {
  readonly of: Pick<Connection, "owner" | "connectionId" | "connector" | "institutionId" | "providerReference">;
  readonly tokens: TokenSet;
  /** Its owner's rows are gone: nothing more may be kept in his name. */
  readonly isErased: boolean;
  readonly now: Date;
}

/**
 * Queues the revocation of tokens that came too late, as durably as that of a connection's own: they are good at the provider, and
 * nobody else knows them.
 */
export async function queueOrphan(deps: Pick<Dependencies, "storage">, tx: Tx, orphan: OrphanTokens): Promise<void> {
  const { of, isErased, now } = orphan;
  const { credential, refreshToken, accessToken } = orphan.tokens;
  const { connectionId, connector, institutionId, providerReference } = of;
  const owner = isErased ? await erasedName(deps, tx, of.owner) : of.owner;
  await insertRevocation(deps.storage, tx, {
    ...revocationTimes(now),
    revocationId: randomUUID(),
    cause: "orphaned",
    owner,
    connectionId,
    connector,
    institutionId,
    secrets: { providerReference, credential, refreshToken, accessToken },
  });
}

async function erasedName(deps: Pick<Dependencies, "storage">, tx: Tx, owner: Owner): Promise<Owner> {
  return (await reviveErasure(deps.storage, tx, owner)) ?? owner;
}

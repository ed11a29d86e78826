import type { GatheredPart, SealedSecret } from "../../platform/vault/vault.ts";
import type { AuditAct } from "../domain/audit.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import type { SecretsToRevoke } from "../domain/secrets-to-revoke.ts";
import { findSealedProofs } from "./attempt-cleanup-store.ts";
import type { AttemptKey } from "./attempt-store.ts";
import { findJournaled } from "./refresh-journal.ts";
import { type Revocation, revocationPlace } from "./revocation-store.ts";
import { findSecret, rejectionAlert, type SecretPurpose } from "./secret-store.ts";
import type { Storage, Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

/** A revocation to be made, first tried at `dueAt`. */
export interface NewRevocation extends Pick<Revocation, "revocationId" | "cause" | "giveUpAt"> {
  readonly now: Date;
  readonly dueAt: Date;
}

/** What is sealed in a revocation. */
export interface KeptSecrets extends SecretsToRevoke {
  /** A provider's answer to a refresh, as the journal keeps it: tokens newer than the others. */
  readonly answer?: string | undefined;
}

/** Whose, and what at which provider; a consent without a connection is named by its attempt. */
type Subject = Pick<Revocation, "owner" | "connectionId" | "connector" | "institutionId">;

/** Stores a revocation with its own sealed copy of the secrets, the only one from now on. */
export async function insertRevocation(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  revocation: NewRevocation & Subject & { readonly secrets: KeptSecrets },
): Promise<void> {
  const text = JSON.stringify(revocation.secrets);
  const sealed = await storage.vault.seal(createVaultStore(tx), revocationPlace(revocation), text);
  await insertSealed(tx, revocation, sealed);
}

/**
 * Puts secrets of a connection under the seal of a new revocation; nobody sees them. The connection's own stay where they are. With its
 * refresh token goes the newest answer in its journal: the provider may know no older token any more.
 * Returns the alerts of those that do not open: they are left out, and must not keep their user from leaving.
 */
export async function insertRevocationOf(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  connection: Pick<Connection, "owner" | "connectionId" | "connector" | "institutionId" | "generation">,
  revocation: NewRevocation & {
    readonly purposes: readonly SecretPurpose[];
    /** In whose name it is kept, when not the connection's owner's. */
    readonly keptFor?: Owner | undefined;
    /** What the provider has to be told beside the secrets. */
    readonly facts?: Pick<SecretsToRevoke, "providerReference">;
  },
): Promise<AuditAct[]> {
  const parts: GatheredPart[] = [];
  for (const purpose of revocation.purposes) {
    const secret = await findSecret(tx, connection, purpose);
    if (secret !== undefined) parts.push({ ...secret, name: revokedNames[purpose] });
  }
  if (revocation.purposes.includes("refresh_token")) {
    const journaled = await findJournaled(tx, connection);
    if (journaled !== undefined) parts.push({ ...journaled, name: "answer" });
  }
  const rejected = await insertGathered(storage, tx, { ...revocation, subject: connection, parts });
  return rejected.map(({ name, failure }) => {
    const purpose = revocation.purposes.find((one) => revokedNames[one] === name);
    return rejectionAlert(connection, purpose ?? "refresh_answer", failure);
  });
}

/**
 * Puts the proofs of a consent that never became a connection under the seal of a new revocation, so that what its beginning made at the
 * provider is ended. Nothing happens when they do not open, or are gone.
 */
export async function insertRevocationOfAttempt(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  attempt: AttemptKey,
  revocation: NewRevocation & { readonly keptFor?: Owner | undefined },
): Promise<void> {
  const found = await findSealedProofs(tx, attempt);
  if (found === undefined) return;
  const { connector, institutionId, sealedProofs } = found;
  const subject = { owner: attempt.owner, connectionId: attempt.attemptId, connector, institutionId };
  await insertGathered(storage, tx, { ...revocation, subject, parts: [{ ...sealedProofs, name: "proofs" }] });
}

const revokedNames: Readonly<Record<SecretPurpose, keyof SecretsToRevoke>> = {
  wallet_credential: "credential",
  refresh_token: "refreshToken",
  access_token: "accessToken",
};

async function insertGathered(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  work: NewRevocation & {
    readonly subject: Subject;
    readonly keptFor?: Owner | undefined;
    readonly parts: readonly GatheredPart[];
    readonly facts?: Pick<SecretsToRevoke, "providerReference">;
  },
) {
  const { connectionId, connector, institutionId } = work.subject;
  const owner = work.keptFor ?? work.subject.owner;
  const whole = { ...work, owner, connectionId, connector, institutionId };
  const gathering = { parts: work.parts, facts: { ...work.facts }, to: revocationPlace(whole) };
  const { sealed, rejected } = await storage.vault.gather(createVaultStore(tx), gathering);
  await insertSealed(tx, whole, sealed);
  return rejected;
}

async function insertSealed(tx: Tx, revocation: NewRevocation & Subject, sealed: SealedSecret): Promise<void> {
  await tx
    .insertInto("revocations")
    .values({
      tenant: revocation.owner.tenant,
      user_id: revocation.owner.userId,
      revocation_id: revocation.revocationId,
      connection_id: revocation.connectionId,
      connector: revocation.connector,
      institution_id: revocation.institutionId,
      cause: revocation.cause,
      data_key_id: sealed.dataKeyId,
      sealed_secrets: Buffer.from(sealed.ciphertext),
      due_at: revocation.dueAt,
      give_up_at: revocation.giveUpAt,
      created_at: revocation.now,
    })
    .execute();
}

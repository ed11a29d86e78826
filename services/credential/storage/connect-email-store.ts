import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { z } from "zod";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { PlacedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import type { LinkEmail } from "../connectors/client-connector.ts";
import type { Actor } from "../domain/audit.ts";
import { type ClientKey, lockClient } from "./client-store.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

const emailDetails = z.object({ to: z.string(), link: z.string().optional() });

/** Notes an e-mail before it is asked for; its address is sealed. The id. Throws `CLIENT_NOT_FOUND` when the client was erased meanwhile. */
export async function insertEmail(storage: Storage, client: ClientKey, email: LinkEmail, now: Date): Promise<string> {
  const emailId = randomUUID();
  await inTransaction(storage.db, async (tx) => {
    if (!(await lockClient(tx, client))) throw new DomainError("CLIENT_NOT_FOUND");
    const sealed = await seal(storage, tx, { client, emailId }, { to: email.to });
    await tx
      .insertInto("connect_emails")
      .values({
        tenant: client.owner.tenant,
        user_id: client.owner.userId,
        email_id: emailId,
        connector: client.connector,
        status: "sending",
        created_at: now,
        ...sealed,
      })
      .execute();
  });
  return emailId;
}

/** Notes how it ended; with the link where it was sent. Nothing of a client who was erased meanwhile. */
export async function finishEmail(
  storage: Storage,
  client: ClientKey,
  email: { emailId: string; to: string; sent: { link: string; expiresAt: Date } | undefined },
): Promise<void> {
  const { emailId, to, sent } = email;
  await inTransaction(storage.db, async (tx) => {
    // Before anything is sealed: that would make a key in the name of somebody who is gone, and nobody would remove it.
    if (!(await lockClient(tx, client))) return;
    const sealed = await seal(storage, tx, { client, emailId }, { to, link: sent?.link });
    await tx
      .updateTable("connect_emails")
      .set({ status: sent === undefined ? "failed" : "sent", expires_at: sent?.expiresAt ?? null, ...sealed })
      .where("tenant", "=", client.owner.tenant)
      .where("user_id", "=", client.owner.userId)
      .where("email_id", "=", emailId)
      .execute();
  });
}

/** What a page starts after. */
export interface EmailCursor {
  readonly createdAt: Date;
  readonly emailId: string;
}

/** An e-mail as it was noted. */
export interface NotedEmail {
  readonly emailId: string;
  readonly status: "sending" | "sent" | "failed";
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  /** Address and link; `openEmail` opens them. */
  readonly details: PlacedSecret;
}

/** A client's e-mails, newest first. */
export async function listEmails(
  db: Queryable,
  client: ClientKey,
  page: { after: EmailCursor | undefined; limit: number },
): Promise<NotedEmail[]> {
  const { after, limit } = page;
  const rows = await db
    .selectFrom("connect_emails")
    .selectAll()
    .where("tenant", "=", client.owner.tenant)
    .where("user_id", "=", client.owner.userId)
    .where("connector", "=", client.connector)
    .where(
      after === undefined
        ? sql<boolean>`true`
        : sql<boolean>`(created_at, email_id) < (${after.createdAt}, ${after.emailId})`,
    )
    .orderBy("created_at", "desc")
    .orderBy("email_id", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    emailId: row.email_id,
    status: row.status,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    details: {
      place: emailPlace({ client, emailId: row.email_id }),
      sealed: { dataKeyId: row.data_key_id, ciphertext: row.sealed_details },
    },
  }));
}

/** Removes e-mails that were asked for before `before`, at most `limit`, oldest first; returns how many. */
export async function deleteOldEmails(db: Queryable, before: Date, limit: number): Promise<bigint> {
  const result = await sql`
    delete from connect_emails where (tenant, user_id, email_id) in (
      select tenant, user_id, email_id from connect_emails where created_at < ${before}
      order by created_at limit ${limit})`.execute(db);
  return result.numAffectedRows ?? 0n;
}

/** Opens what was sealed of an e-mail, its audit row first. */
export async function openEmail(
  storage: Pick<Storage, "openings">,
  email: Pick<NotedEmail, "details">,
  reader: { actor: Actor; now: Date },
): Promise<{ to: string; link?: string | undefined }> {
  const reading = { ...email.details, ...reader, connector: email.details.place.provider, operation: "list_emails" };
  const text = await storage.openings.open(reading);
  return emailDetails.parse(JSON.parse(text));
}

/** Where the address and the link of an e-mail are sealed for. */
export function emailPlace({ client, emailId }: { client: ClientKey; emailId: string }): SecretPlace {
  const { owner, connector } = client;
  return { owner, recordId: emailId, provider: connector, purpose: "connect_email", recordVersion: 1 };
}

async function seal(
  storage: Storage,
  tx: Tx,
  email: { client: ClientKey; emailId: string },
  details: z.infer<typeof emailDetails>,
) {
  const sealed = await storage.vault.seal(createVaultStore(tx), emailPlace(email), JSON.stringify(details));
  return { data_key_id: sealed.dataKeyId, sealed_details: Buffer.from(sealed.ciphertext) };
}

import type { PlacedSecret, Sealer } from "../../platform/vault/vault.ts";
import { attemptPlace } from "./attempt-store.ts";
import type { AuditProblem } from "./audit-verify.ts";
import { emailPlace } from "./connect-email-store.ts";
import { findConnection } from "./connection-store.ts";
import { journalPlace } from "./refresh-journal.ts";
import { revocationPlace } from "./revocation-store.ts";
import type { Tx } from "./storage.ts";
import { rowsOf } from "./table-rows.ts";
import { createVaultStore } from "./vault-store.ts";

/**
 * Every secret of those that the audit does not name one by one which is not the one sealed for its place. They pass quickly, and each has a
 * place of its own that is never used again, so its seal alone says whether it belongs there. Read as they are taken.
 */
export async function* findMisplaced(tx: Tx, vault: Pick<Sealer, "failureOf">): AsyncGenerator<AuditProblem> {
  const store = createVaultStore(tx);
  for await (const secret of placedSecrets(tx)) {
    if ((await vault.failureOf(store, secret)) === undefined) continue;
    const { owner, recordId, purpose } = secret.place;
    yield { kind: "secret_rejected", tenant: owner.tenant, chain: -1, where: `${recordId}/${purpose}` };
  }
}

async function* placedSecrets(tx: Tx): AsyncGenerator<PlacedSecret> {
  for await (const row of rowsOf(tx, { table: "revocations", key: ["tenant", "user_id", "revocation_id"] })) {
    const facts = { owner: ownerOf(row), revocationId: row.revocation_id, institutionId: row.institution_id };
    yield { place: revocationPlace(facts), sealed: { dataKeyId: row.data_key_id, ciphertext: row.sealed_secrets } };
  }
  for await (const row of rowsOf(tx, { table: "connect_attempts", key: ["tenant", "user_id", "state_hash"] })) {
    const facts = { owner: ownerOf(row), attemptId: row.attempt_id, institutionId: row.institution_id };
    const proofs = { dataKeyId: row.proofs_data_key_id, ciphertext: row.sealed_proofs };
    yield { place: attemptPlace(facts, "proofs"), sealed: proofs };
    const { code_data_key_id: codeKeyId, sealed_code: code } = row;
    if (code === null) continue;
    yield { place: attemptPlace(facts, "code"), sealed: { dataKeyId: codeKeyId ?? "", ciphertext: code } };
  }
  const ofFlights = ["tenant", "user_id", "connection_id", "epoch"] as const;
  for await (const row of rowsOf(tx, { table: "refresh_journal", key: ofFlights })) {
    const flight = { owner: ownerOf(row), connectionId: row.connection_id, generation: row.generation };
    const institutionId = (await findConnection(tx, flight))?.institutionId ?? "";
    const place = journalPlace({ ...flight, institutionId }, row.epoch);
    yield { place, sealed: { dataKeyId: row.data_key_id, ciphertext: row.sealed_answer } };
  }
  for await (const row of rowsOf(tx, { table: "connect_emails", key: ["tenant", "user_id", "email_id"] })) {
    const place = emailPlace({ client: { owner: ownerOf(row), connector: row.connector }, emailId: row.email_id });
    yield { place, sealed: { dataKeyId: row.data_key_id, ciphertext: row.sealed_details } };
  }
}

const ownerOf = (row: { readonly tenant: string; readonly user_id: string }) => ({
  tenant: row.tenant,
  userId: row.user_id,
});

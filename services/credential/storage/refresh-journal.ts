import { sql } from "kysely";
import type { PlacedSecret, SealedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { countSealsAhead } from "./batch-vault-store.ts";
import { lockConnection } from "./connection-store.ts";
import { planByIndex } from "./index-plans.ts";
import { inLockOrder, keyArrays } from "./key-columns.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import type { ConnectionRow } from "./tables.ts";

/** What a provider answered to a flight, as text for the journal. */
export interface AnswerToKeep {
  readonly flight: Connection;
  readonly text: string;
  readonly now: Date;
}

/** What became of answers. */
export interface JournaledAnswers {
  /** The ids of the connections that have it. */
  readonly kept: ReadonlySet<string>;
  /** Of connections that have ended meanwhile: tokens that are good at the provider, and that nobody has. */
  readonly ended: readonly (AnswerToKeep & { readonly isGone: boolean })[];
}

/**
 * Keeps what providers answered, sealed, before anything is done with it. Not fenced by the epoch: a rotated refresh token is precious
 * whoever holds the lease by now. Ignored when the connection has had a newer consent or holds newer tokens (a flight ends with its
 * lease, so those were asked for later). Of one connection a batch holds one answer. A connection whose refusal was believed meanwhile
 * becomes due, so that the answer lands although its own flight has been overtaken.
 */
export async function journalAnswers(
  storage: Storage,
  tx: Tx,
  answers: readonly AnswerToKeep[],
): Promise<JournaledAnswers> {
  await planByIndex(tx);
  const held = await lockFlown(tx, inLockOrder(answers.map((answer) => answer.flight)));
  const ended = answers
    .map((answer) => ({ ...answer, isGone: !held.has(answer.flight.connectionId) }))
    .filter(({ flight, isGone }) => isGone || held.get(flight.connectionId)?.state === "REVOKED");
  const kept = answers.filter(({ flight }) => {
    const row = held.get(flight.connectionId);
    const isSame = row?.generation === flight.generation && row.token_version === flight.tokenVersion;
    return isSame && row.state !== "REVOKED";
  });
  const store = await countSealsAhead(
    tx,
    kept.map(({ flight }) => ({ owner: flight.owner, seals: 1 })),
  );
  const sealed: SealedSecret[] = [];
  for (const { flight, text } of kept) {
    sealed.push(await storage.vault.seal(store, journalPlace(flight, flight.refreshEpoch), text));
  }
  // A repeat after a lost commit: the answer of this flight is here already.
  await sql`
    insert into refresh_journal (tenant, user_id, connection_id, epoch, generation, data_key_id, sealed_answer, answered_at)
    select * from unnest(${keyArrays(kept.map(({ flight }) => flight))},
      ${kept.map(({ flight }) => flight.refreshEpoch)}::bigint[], ${kept.map(({ flight }) => flight.generation)}::integer[],
      ${sealed.map((one) => one.dataKeyId)}::uuid[], ${sealed.map((one) => Buffer.from(one.ciphertext))}::bytea[],
      ${kept.map(({ now }) => now)}::timestamptz[])
    on conflict do nothing`.execute(tx);
  const refused = kept.filter(({ flight }) => held.get(flight.connectionId)?.state_reason === "consent_ended");
  if (refused.length > 0) await makeDue(tx, refused);
  return { kept: new Set(kept.map(({ flight }) => flight.connectionId)), ended };
}

async function makeDue(tx: Tx, answers: readonly AnswerToKeep[]): Promise<void> {
  await sql`
    update connections held set refresh_due_at = landed.at
    from unnest(${keyArrays(answers.map(({ flight }) => flight))}, ${answers.map(({ now }) => now)}::timestamptz[])
      as landed (tenant, user_id, connection_id, at)
    where held.tenant = landed.tenant and held.user_id = landed.user_id and held.connection_id = landed.connection_id`.execute(
    tx,
  );
}

type FlownRow = Pick<ConnectionRow, "connection_id" | "generation" | "token_version" | "state" | "state_reason">;

async function lockFlown(tx: Tx, flights: readonly Connection[]): Promise<Map<string, FlownRow>> {
  const { rows } = await sql<FlownRow>`
    select held.connection_id, held.generation, held.token_version, held.state, held.state_reason
    from unnest(${keyArrays(flights)}) as flown (tenant, user_id, connection_id)
    join connections held on held.tenant = flown.tenant and held.user_id = flown.user_id
      and held.connection_id = flown.connection_id
    order by held.tenant, held.user_id, held.connection_id
    for update of held`.execute(tx);
  return new Map(rows.map((row) => [row.connection_id, row]));
}

/** The newest journaled answer for this consent that no flight has landed yet, opened. Not inside a transaction. */
export async function findJournaledAnswer(
  storage: Pick<Storage, "db" | "openings">,
  flight: Connection,
  reader: { actor: Actor; now: Date },
): Promise<string | undefined> {
  const journaled = await findJournaled(storage.db.query, flight);
  if (journaled === undefined) return undefined;
  const { connectionId, connector } = flight;
  return await storage.openings.open({ ...journaled, connectionId, connector, operation: "replay_journal", ...reader });
}

type FlownConnection = Pick<Connection, "owner" | "connectionId" | "institutionId" | "generation">;

/** The same, sealed as it is. */
export async function findJournaled(db: Queryable, flight: FlownConnection): Promise<PlacedSecret | undefined> {
  const row = await db
    .selectFrom("refresh_journal")
    .select(["epoch", "data_key_id", "sealed_answer"])
    .where("tenant", "=", flight.owner.tenant)
    .where("user_id", "=", flight.owner.userId)
    .where("connection_id", "=", flight.connectionId)
    .where("generation", "=", flight.generation)
    .orderBy("epoch", "desc")
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_answer };
  return { place: journalPlace(flight, row.epoch), sealed };
}

/** Which of these connections have an answer waiting in the journal, by id. */
export async function connectionsWithAnswers(db: Queryable, flights: readonly Connection[]): Promise<Set<string>> {
  const { rows } = await sql<{ connection_id: string }>`
    select flown.connection_id
    from unnest(${keyArrays(flights)}, ${flights.map((flight) => flight.generation)}::integer[])
      as flown (tenant, user_id, connection_id, generation)
    cross join lateral (
      select 1 from refresh_journal where tenant = flown.tenant and user_id = flown.user_id
        and connection_id = flown.connection_id and generation = flown.generation limit 1
    ) as kept`.execute(db);
  return new Set(rows.map((row) => row.connection_id));
}

/** Whether a flight's connection has an answer in the journal. Until the transaction ends none can come to it. */
export async function hasAnswerForGood(tx: Tx, flight: Connection): Promise<boolean> {
  await lockConnection(tx, flight);
  return (await connectionsWithAnswers(tx, [flight])).size > 0;
}

/** Forgets the journal and the intents of connections up to and including these flights. */
export async function clearJournals(tx: Tx, flights: readonly Connection[]): Promise<void> {
  const epochs = flights.map((flight) => flight.refreshEpoch);
  await sql`
    with flown as materialized (
      select * from unnest(${keyArrays(flights)}, ${epochs}::bigint[]) as flown (tenant, user_id, connection_id, epoch)
    ),
    intents as (
      delete from refresh_intents intent using flown where intent.tenant = flown.tenant
        and intent.user_id = flown.user_id and intent.connection_id = flown.connection_id and intent.epoch <= flown.epoch
    )
    delete from refresh_journal kept using flown where kept.tenant = flown.tenant and kept.user_id = flown.user_id
      and kept.connection_id = flown.connection_id and kept.epoch <= flown.epoch`.execute(tx);
}

/** Where the answer to a flight is sealed for. */
export function journalPlace(flight: FlownConnection, epoch: bigint): SecretPlace {
  return {
    owner: flight.owner,
    recordId: `${flight.connectionId}/${epoch}`,
    provider: flight.institutionId,
    purpose: "refresh_answer",
    recordVersion: flight.generation,
  };
}

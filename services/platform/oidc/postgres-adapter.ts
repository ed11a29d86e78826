import { type Adapter, type AdapterFactory, type AdapterPayload, errors } from "oidc-provider";
import type { Database } from "../db/open-database.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import {
  createOidcRecordStore,
  type GrantEnding,
  type OidcRecord,
  type OidcRecordStore,
  type OidcTables,
} from "./storage/oidc-record-store.ts";

const reuseGraceDefaultSeconds = 30;

/** Options of `createOidcAdapter`. */
export interface OidcAdapterOptions {
  readonly db: Pick<Database<OidcTables>, "query" | "hot">;
  /** Looks a client's metadata up; clients are rows of the service, not of this adapter. */
  readonly findClient: (clientId: string) => Promise<AdapterPayload | undefined>;
  /** For so long a rotated refresh token still works, since its answer may have been lost; 30 s, 0 turns it off. */
  readonly refreshReuseGraceSeconds?: number;
  /** What else ends with a grant, in the same transaction. */
  readonly onGrantEnd?: GrantEnding;
  readonly clock?: Clock;
}

/**
 * oidc-provider's storage in PostgreSQL. Beyond its memory adapter: using a code is one conditional update whose loser gets
 * `invalid_grant` and ends the grant (RFC 6749 section 4.1.2); nothing is ever written under a grant that has ended; ids are
 * stored hashed; a refresh token keeps working for the grace after its rotation.
 */
export function createOidcAdapter(options: OidcAdapterOptions): AdapterFactory {
  const store = createOidcRecordStore(options.db, options.onGrantEnd);
  const clock = options.clock ?? systemClock;
  const graceMs = (options.refreshReuseGraceSeconds ?? reuseGraceDefaultSeconds) * 1000;
  return (model) =>
    model === "Client" ? clientAdapter(options.findClient) : recordAdapter({ model, store, clock, graceMs });
}

interface RecordAdapterOptions {
  readonly model: string;
  readonly store: OidcRecordStore;
  readonly clock: Clock;
  readonly graceMs: number;
}

function recordAdapter({ model, store, clock, graceMs }: RecordAdapterOptions): Adapter {
  const withinGrace = (consumedAt: Date) =>
    model === "RefreshToken" && clock.now().getTime() - consumedAt.getTime() < graceMs;
  const toPayload = (record: OidcRecord | undefined, id?: string): AdapterPayload | undefined => {
    if (record === undefined) return undefined;
    const { consumedAt } = record;
    return {
      ...record.payload,
      ...(id === undefined ? {} : { jti: id }),
      ...(consumedAt === undefined || withinGrace(consumedAt)
        ? {}
        : { consumed: Math.floor(consumedAt.getTime() / 1000) }),
    };
  };
  return {
    async upsert(id, payload, expiresInSeconds) {
      const { jti: _id, ...rest } = payload;
      const written = await store.upsert({
        model,
        id,
        payload: withoutSessionCookie(rest),
        // An interaction names the grant it is about to extend; it does not live by it.
        grantId: model === "Interaction" ? undefined : payload.grantId,
        uid: payload.uid,
        userCode: payload.userCode,
        expiresAt:
          expiresInSeconds === undefined ? undefined : new Date(clock.now().getTime() + expiresInSeconds * 1000),
      });
      if (!written) throw new errors.InvalidGrant("the grant has ended");
    },
    find: async (id) => toPayload(await store.find(model, id), id),
    findByUid: async (uid) => toPayload(await store.findByUid(model, uid)),
    findByUserCode: async (userCode) => toPayload(await store.findByUserCode(model, userCode)),
    consume: (id) => consume(model, id, store, clock, withinGrace),
    async destroy(id) {
      if (model === "Grant") await store.endGrant(id);
      else await store.destroy(model, id);
    },
    revokeByGrantId: (grantId) => store.destroyByGrant(model, grantId),
  };
}

async function consume(
  model: string,
  id: string,
  store: OidcRecordStore,
  clock: Clock,
  withinGrace: (consumedAt: Date) => boolean,
): Promise<void> {
  if (await store.consume(model, id, clock.now())) return;
  const record = await store.find(model, id);
  // Two refreshes at once are the same client asking twice; both get an answer.
  if (record?.consumedAt !== undefined && withinGrace(record.consumedAt)) return;
  const grantId = record?.payload["grantId"];
  if (typeof grantId === "string") await store.endGrant(grantId);
  if (model === "PushedAuthorizationRequest") throw new errors.InvalidRequestUri("already used");
  throw new errors.InvalidGrant("already used");
}

/** The interaction's copy of the session cookie is read by nobody and would be a live secret at rest. */
function withoutSessionCookie(payload: Record<string, unknown>): Record<string, unknown> {
  const session = payload["session"];
  if (typeof session !== "object" || session === null || !("cookie" in session)) return payload;
  const { cookie: _cookie, ...rest } = session;
  return { ...payload, session: rest };
}

function clientAdapter(findClient: OidcAdapterOptions["findClient"]): Adapter {
  const refuse = async () => {
    throw new Error("clients are registered by an operator, not through the OIDC server");
  };
  return {
    // Asked with whatever a request names; PostgreSQL takes no NUL in a text.
    find: async (clientId) => (clientId.includes("\0") ? undefined : findClient(clientId)),
    upsert: refuse,
    findByUserCode: async () => undefined,
    findByUid: async () => undefined,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: async () => undefined,
  };
}

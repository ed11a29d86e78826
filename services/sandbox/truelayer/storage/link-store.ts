import type { Database } from "../../../platform/db/open-database.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import type { AuthRequest } from "../domain/auth-request.ts";
import type { LinkStage, TrueLayerTables } from "./tables.ts";

/** One person's way through an auth link. */
export interface AuthLink {
  readonly linkId: string;
  readonly request: AuthRequest;
  /** The connection whose consent is renewed; null for a new one. */
  readonly credentialsId: string | null;
  readonly stage: LinkStage;
  readonly attempts: number;
  readonly providerId: string | null;
  readonly username: string | null;
  readonly expiresAt: Date;
}

/** What a new link starts with. */
export interface NewLink {
  /** Of everything in the link: the same link is the same row. */
  readonly linkHash: Buffer;
  readonly request: AuthRequest;
  readonly credentialsId: string | null;
  readonly providerId: string | null;
  readonly now: Date;
  readonly expiresAt: Date;
}

/** Auth links. */
export interface LinkStore {
  /** The row of this link; the one made earlier when it was followed before. */
  open(link: NewLink): Promise<AuthLink>;
  find(linkId: string): Promise<AuthLink | undefined>;
  /** Goes on from one of the stages; undefined when the link is in another. */
  advance(
    linkId: string,
    from: readonly LinkStage[],
    to: { readonly stage: LinkStage; readonly providerId?: string; readonly username?: string },
  ): Promise<AuthLink | undefined>;
  /** Counts a sign-in that failed. */
  countAttempt(linkId: string): Promise<void>;
  /** Forgets links a day after they ended, so that a second use is still told. */
  sweep(before: Date): Promise<void>;
}

const columns = [
  "link_id as linkId",
  "request",
  "credentials_id as credentialsId",
  "stage",
  "attempts",
  "provider_id as providerId",
  "username",
  "expires_at as expiresAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createLinkStore(db: Database<TrueLayerTables>): LinkStore {
  return {
    async open(link) {
      await db.query
        .insertInto("auth_links")
        .values({
          link_id: uuidv7(link.now.getTime()),
          link_hash: link.linkHash,
          request: JSON.stringify(link.request),
          credentials_id: link.credentialsId,
          stage: link.providerId === null ? "open" : "bank_chosen",
          provider_id: link.providerId,
          username: null,
          created_at: link.now,
          expires_at: link.expiresAt,
        })
        .onConflict((conflict) => conflict.column("link_hash").doNothing())
        .execute();
      return db.query
        .selectFrom("auth_links")
        .select(columns)
        .where("link_hash", "=", link.linkHash)
        .executeTakeFirstOrThrow();
    },
    find: (linkId) =>
      db.query.selectFrom("auth_links").select(columns).where("link_id", "=", linkId).executeTakeFirst(),
    advance: (linkId, from, to) =>
      db.query
        .updateTable("auth_links")
        .set({
          stage: to.stage,
          ...(to.providerId === undefined ? {} : { provider_id: to.providerId }),
          ...(to.username === undefined ? {} : { username: to.username }),
        })
        .where("link_id", "=", linkId)
        .where("stage", "in", [...from])
        .returning(columns)
        .executeTakeFirst(),
    async countAttempt(linkId) {
      await db.query
        .updateTable("auth_links")
        .set((each) => ({ attempts: each("attempts", "+", 1) }))
        .where("link_id", "=", linkId)
        .execute();
    },
    async sweep(before) {
      await db.query.deleteFrom("auth_links").where("expires_at", "<", before).execute();
    },
  };
}

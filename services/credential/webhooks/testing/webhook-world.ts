import { createHmac, randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { createHttpServer, type ServerTls } from "../../../platform/http/create-http-server.ts";
import { createRateLimiter } from "../../../platform/limits/rate-limiter.ts";
import type { Connector } from "../../connectors/connector.ts";
import { ProviderError } from "../../connectors/provider-error.ts";
import type { ProviderEvent, WebhookEffect } from "../../connectors/webhook-reader.ts";
import type { Connection } from "../../domain/connection.ts";
import type { Dependencies } from "../../flows/dependencies.ts";
import { addWebhookRoutes } from "../../http/webhook-routes.ts";
import { credentialErrors } from "../../rpc/error-table.ts";
import { findConnection } from "../../storage/connection-store.ts";
import { type ConsentFacts, insertConsent, replaceConsent } from "../../storage/consent-store.ts";
import { createHmacScheme } from "../schemes/hmac-scheme.ts";

export const testSecret = "secret-of-the-test-provider-0123456789";

/** What a webhook of the test's provider says. */
export interface TestEvent {
  readonly id?: string;
  readonly type?: string;
  readonly at?: string;
  readonly connection?: string;
  readonly effect: WebhookEffect;
}

const bodyShape = z.object({
  sent_at: z.string(),
  events: z.array(
    z.object({
      id: z.string().optional(),
      type: z.string().default("test.event"),
      at: z.iso.datetime().optional(),
      connection: z.string().optional(),
      effect: z.custom<WebhookEffect>((value) => typeof value === "object"),
    }),
  ),
});

/** A provider that signs like TrueLayer by agreement and says by webhook what a test wants; its faults are switches. */
export interface TestProvider {
  readonly connector: Connector;
  keysAreDown: boolean;
  bodiesAreOdd: boolean;
  /** What thin events turn out to be. */
  resolve: (event: ProviderEvent) => Promise<ProviderEvent>;
}

/** Makes one. Nothing but its webhooks works. */
export function createTestProvider(name: string): TestProvider {
  const scheme = createHmacScheme({
    header: "x-signature",
    secrets: [testSecret],
    clock: { signedAt: (body) => new Date(/"sent_at":"([^"]+)"/.exec(body.toString())?.[1] ?? ""), withinMs: 300_000 },
  });
  const unused = async (): Promise<never> => {
    throw new Error("not used in these tests");
  };
  const provider: TestProvider = {
    keysAreDown: false,
    bodiesAreOdd: false,
    resolve: unused,
    connector: {
      name,
      displayName: "Test provider",
      life: "static",
      check: async () => undefined,
      listInstitutions: async () => [],
      begin: unused,
      complete: unused,
      revoke: unused,
      listAccounts: unused,
      webhook: {
        headers: ["x-signature"],
        verify: async (request, call) => {
          if (provider.keysAreDown) throw new ProviderError("unavailable");
          await scheme(request, call);
        },
        read: async (request) => {
          if (provider.bodiesAreOdd) throw new Error("odd");
          const { events } = bodyShape.parse(JSON.parse(request.body.toString("utf8")));
          return events.map(({ id, type, at, connection, effect }) => ({
            eventId: id,
            type,
            occurredAt: at === undefined ? undefined : new Date(at),
            providerReference: connection,
            effect,
          }));
        },
        resolve: (event) => provider.resolve(event),
      },
    },
  };
  return provider;
}

/** A webhook's bytes with their signature. */
export function signedWebhook(
  at: Date,
  events: readonly TestEvent[],
): { body: string; headers: Record<string, string> } {
  const body = JSON.stringify({ sent_at: at.toISOString(), events });
  return { body, headers: signatureOf(body) };
}

/** The header the test's provider proves a body with. */
export function signatureOf(body: string | Buffer): Record<string, string> {
  return { "x-signature": `sha256=${createHmac("sha256", testSecret).update(body).digest("hex")}` };
}

/** The dependencies with a provider more. */
export function withProvider(deps: Dependencies, provider: TestProvider): Dependencies {
  return { ...deps, connectors: new Map([...deps.connectors, [provider.connector.name, provider.connector]]) };
}

/** The service's HTTP port with its webhook routes. */
export async function serveWebhooks(
  deps: Dependencies,
  options: { wake?: () => void; tls?: ServerTls; port?: number } = {},
): Promise<{ app: FastifyInstance; origin: string; port: number }> {
  const { wake = () => undefined, tls, port = 0 } = options;
  const log = deps.log;
  const app = createHttpServer({
    service: "credential",
    errorTable: credentialErrors,
    log,
    ...(tls === undefined ? {} : { tls }),
  });
  addWebhookRoutes(app, { deps, limiter: createRateLimiter({ db: deps.storage.db }), wake });
  const origin = await app.listen({ host: "127.0.0.1", port });
  return { app, origin, port: Number(new URL(origin).port) };
}

/** A connection as a consent would have left it, without secrets. */
export async function connectTo(
  deps: Pick<Dependencies, "storage" | "clock">,
  facts: { connector: string; reference: string; userId: string },
): Promise<Connection> {
  const made = await inTransaction(deps.storage.db, (tx) => insertConsent(tx, consentOf(facts, deps.clock.now())));
  if (made === undefined) throw new Error("there is such a connection already");
  return made;
}

/** The same connection as a new consent of its person would have left it. */
export async function consentAnew(
  deps: Pick<Dependencies, "storage" | "clock">,
  connection: Connection,
): Promise<Connection> {
  const { connector, providerReference: reference, owner } = connection;
  const facts = consentOf({ connector, reference, userId: owner.userId }, deps.clock.now());
  return await inTransaction(deps.storage.db, (tx) => replaceConsent(tx, connection, { facts, keepsToken: false }));
}

function consentOf(facts: { connector: string; reference: string; userId: string }, now: Date): ConsentFacts {
  return {
    owner: { tenant: "wallet", userId: facts.userId },
    newConnectionId: randomUUID(),
    connector: facts.connector,
    institutionId: "test-bank",
    institutionName: "Test Bank",
    issuer: "https://test-bank.example",
    ownerReference: facts.reference,
    providerReference: facts.reference,
    standing: { state: "ACTIVE", reason: "" },
    hasAccessToken: true,
    hasRefreshToken: false,
    hasCredential: false,
    accessTokenExpiresAt: undefined,
    credentialExpiresAt: undefined,
    consentExpiresAt: undefined,
    refreshDueAt: undefined,
    now,
  };
}

/** What is stored of a connection now. */
export async function reload(deps: Dependencies, connection: Connection): Promise<Connection> {
  const found = await findConnection(deps.storage.db.query, connection);
  if (found === undefined) throw new Error("the connection is gone");
  return found;
}

import type { FastifyInstance } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { toMajorNumber } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { hashClientSecret } from "../../oidc/client-secret.ts";
import { type CardPosition, type LedgerReports, type LedgerSummary, listingMax } from "../../storage/ledger-summary.ts";
import type { OauthClientStore } from "../../storage/oauth-client-store.ts";
import { readPaging } from "../open-banking/query-parameters.ts";
import { readClient } from "./client-request.ts";

/** What the operators' API needs. */
export interface AdminApiDeps {
  readonly bsimId: string;
  /** `X-Admin-Key`, or `X-API-Key`. */
  readonly adminKey: string;
  /** Pepper of client secrets' hashes. */
  readonly secretPepper: Uint8Array;
  /** Whether plain http redirect URIs are fine: the local world only. */
  readonly local: boolean;
  readonly clients: OauthClientStore;
  readonly reports: LedgerReports;
  readonly clock: Clock;
}

/** Mounts the operators' API; register with prefix `/api/admin`. */
export async function adminApi(app: FastifyInstance, deps: AdminApiDeps): Promise<void> {
  app.addHook("onRequest", async (request) => {
    const key = request.headers["x-admin-key"] ?? request.headers["x-api-key"];
    if (typeof key !== "string" || !textsEqual(key, deps.adminKey)) throw new DomainError("UNAUTHENTICATED");
  });

  const putClient = async (body: unknown, clientId?: string) => {
    const { client, secret } = readClient(body, { local: deps.local, ...(clientId === undefined ? {} : { clientId }) });
    const hash = secret === undefined ? undefined : hashClientSecret(deps.secretPepper, client.clientId, secret);
    return { client, outcome: await deps.clients.put(client, hash) };
  };
  app.post("/clients", async (request, reply) => {
    const { client, outcome } = await putClient(request.body);
    reply.code(outcome === "created" ? 201 : 200);
    return client;
  });
  app.put<{ Params: { clientId: string } }>("/clients/:clientId", async (request, reply) => {
    const { client, outcome } = await putClient(request.body, request.params.clientId);
    reply.code(outcome === "created" ? 201 : 200);
    return client;
  });
  app.get("/clients", async () => ({ clients: await deps.clients.list(listingMax) }));
  app.get<{ Params: { clientId: string } }>("/clients/:clientId", async (request) => {
    const client = await deps.clients.find(request.params.clientId);
    if (client === undefined) throw new DomainError("NOT_FOUND");
    return client;
  });

  app.get<{ Querystring: { merchantId?: string | string[] } }>("/ledger", async (request) => {
    const { merchantId } = request.query;
    const filter = typeof merchantId === "string" && merchantId !== "" ? merchantId : undefined;
    return toLedger(deps.bsimId, await deps.reports.summary(deps.clock.now(), filter));
  });
  app.get("/cards", async (request) => {
    const cards = await deps.reports.cards(deps.clock.now(), readPaging(request.query));
    return { cards: cards.map(toCard) };
  });
  app.get("/customers", async (request) => ({ customers: await deps.reports.customers(readPaging(request.query)) }));
}

function toLedger(bsimId: string, summary: LedgerSummary) {
  const totals = new Map<string, bigint>();
  for (const each of summary.balances) {
    totals.set(each.currency, (totals.get(each.currency) ?? 0n) + each.balanceMinor);
  }
  return {
    bsimId,
    balanced: [...totals.values()].every((total) => total === 0n) && summary.drifted === 0,
    drifted: summary.drifted,
    trialBalance: summary.balances.map((each) => ({
      account: each.kind,
      currency: each.currency,
      balance: major(each.balanceMinor, each.currency),
    })),
    totals: [...totals].map(([currency, total]) => ({ currency, total: major(total, currency) })),
    cards: summary.cards.map(toCard),
    authorizations: summary.authorizations.map((each) => ({
      merchantId: each.merchantId,
      state: each.state,
      currency: each.currency,
      count: each.count,
      authorized: major(each.authorizedMinor, each.currency),
      captured: major(each.capturedMinor, each.currency),
      refunded: major(each.refundedMinor, each.currency),
    })),
  };
}

function toCard(card: CardPosition) {
  const heldMinor = card.heldMinor - card.lapsedMinor;
  return {
    cardId: card.cardId,
    customerId: card.customerId,
    brand: card.brand,
    lastFour: card.lastFour,
    status: card.status,
    currency: card.currency,
    creditLimit: major(card.creditLimitMinor, card.currency),
    owed: major(card.owedMinor, card.currency),
    held: major(heldMinor, card.currency),
    available: major(card.creditLimitMinor - card.owedMinor - heldMinor, card.currency),
  };
}

function major(minor: bigint, currency: string): number {
  return toMajorNumber(minor, parseCurrency(currency));
}

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { isUuid, uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { parseBalance } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import { postedKey } from "../../kit/domain/statement.ts";
import { readControl } from "../../kit/http/request-fields.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import { type AuthFlow, answerUrl } from "../auth-flow.ts";
import { ownerOf } from "../data-desk.ts";
import { accountsOf, banks, findPerson, people } from "../domain/banks.ts";
import { transactionId } from "../domain/data-views.ts";
import { type Settings, signatureMode, webhookMode } from "../domain/settings.ts";
import { type Events, eventTypes } from "../events.ts";
import type { ConnectionStore } from "../storage/connection-store.ts";
import type { PostedStore } from "../storage/posted-store.ts";

/** What these routes need. */
export interface ControlDeps {
  readonly connections: ConnectionStore;
  readonly posted: PostedStore;
  readonly events: Events;
  readonly flow: AuthFlow;
  readonly moment: ReadMoment<Settings>;
}

const listMax = 1_000;
const eventsAtOnceMax = 100;

const consentShape = z.object({
  /** The auth link, as a person would follow it. */
  url: z.url(),
  providerId: z.string().default("ob-thames"),
  username: z.string().default("john"),
  deny: z.boolean().default(false),
});
const postingShape = z.object({
  accountId: z.string().max(64),
  /** As in `/transactions`: below zero leaves an account, above zero is owed on a card. */
  amount: z.union([z.number(), z.string().max(20)]),
  description: z.string().min(1).max(140),
  merchant: z.string().max(140).nullable().default(null),
  category: z.enum(["PURCHASE", "DIRECT_DEBIT", "STANDING_ORDER", "TRANSFER", "CREDIT", "OTHER"]).default("PURCHASE"),
  pending: z.boolean().default(false),
  notify: z.boolean().default(true),
});
const webhookShape = z.object({
  type: z.enum(eventTypes),
  credentialsId: z.string().max(64),
  accountId: z.string().max(64).optional(),
  transactionId: z.string().max(64).optional(),
  /** Of an earlier event, to repeat it. */
  eventId: z.uuid().optional(),
  times: z.number().int().min(1).max(eventsAtOnceMax).default(1),
  url: z.url({ protocol: /^https?$/ }).optional(),
  mode: webhookMode.optional(),
  signature: signatureMode.optional(),
});

/** What only this sandbox has under `/_control`: consents without a browser, connections, postings and events. */
export function addOwnControlRoutes(scope: FastifyInstance, deps: ControlDeps): void {
  addConnectionRoutes(scope, deps);
  addEventRoutes(scope, deps);
}

function addConnectionRoutes(scope: FastifyInstance, deps: ControlDeps): void {
  const { connections, events, flow, moment } = deps;
  scope.get("/people", async () => ({
    people: people.map((person) => ({
      username: person.username,
      accounts: banks.flatMap((bank) =>
        accountsOf(bank, person).map(({ accountId, kind }) => ({ accountId, kind, providerId: bank.providerId })),
      ),
    })),
  }));
  scope.get("/connections", async () => ({ connections: await connections.list(listMax) }));
  scope.post("/consents", async (request) => {
    const asked = readControl(consentShape, request.body);
    return { redirectTo: await consent(flow, asked) };
  });
  scope.post<{ Params: { id: string }; Body: unknown }>("/connections/:id/revoke", async (request) => {
    const { id } = request.params;
    if (!isUuid(id) || !(await connections.revoke(id))) throw new DomainError("CONNECTION_UNKNOWN");
    const { notify } = readControl(z.object({ notify: z.boolean().default(true) }), request.body);
    const eventId = notify ? await events.send({ type: "consent.revoked", credentialsId: id }) : undefined;
    return { eventId: eventId ?? null };
  });
  for (const [path, what] of [
    ["expire-consent", "consent"],
    ["expire-access-token", "access_token"],
  ] as const) {
    scope.post<{ Params: { id: string } }>(`/connections/:id/${path}`, async (request, reply) => {
      const { id } = request.params;
      const { now } = await moment();
      if (!isUuid(id) || !(await connections.end(id, what, now))) throw new DomainError("CONNECTION_UNKNOWN");
      return reply.code(204).send();
    });
  }
}

async function consent(flow: AuthFlow, asked: z.infer<typeof consentShape>): Promise<string> {
  const url = new URL(asked.url);
  const renewal = /^\/auth\/([0-9a-f-]{36})$/.exec(url.pathname)?.[1];
  const followed =
    renewal === undefined
      ? await flow.follow(Object.fromEntries(url.searchParams))
      : ({ kind: "continue", link: await flow.find(renewal) } as const);
  if (followed.kind === "refused") throw new DomainError("INVALID_ARGUMENT", { why: followed.text });
  if (followed.kind === "answer") return answerUrl(followed.answer);
  const { linkId, stage } = followed.link;
  if (asked.deny) return answerUrl(await flow.deny(linkId));
  if (stage === "open") await flow.chooseBank(linkId, asked.providerId);
  if (stage !== "signed_in") {
    const password = findPerson(asked.username)?.password ?? "";
    await flow.signIn(linkId, { username: asked.username, password });
  }
  return answerUrl(await flow.allow(linkId));
}

function addEventRoutes(scope: FastifyInstance, { connections, posted, events, moment }: ControlDeps): void {
  scope.post("/transactions", async (request, reply) => {
    const { notify, amount, ...asked } = readControl(postingShape, request.body);
    const owner = ownerOf(asked.accountId);
    if (owner === undefined) throw new DomainError("ACCOUNT_UNKNOWN");
    const { now } = await moment();
    const id = uuidv7(now.getTime());
    await posted.add({ ...asked, id, at: now, minor: parseBalance(amount, parseCurrency("GBP")) });
    const transaction = transactionId({ key: postedKey(id) }, asked.pending ? "pending" : "booked");
    const told = notify ? await connections.listOf(owner.providerId, owner.username) : [];
    for (const { credentialsId } of told) {
      const about = { credentialsId, accountId: asked.accountId };
      await events.send({ ...about, type: "transaction.created", transactionId: transaction });
      await events.send({ ...about, type: "balance.updated" });
    }
    return reply.code(201).send({ transactionId: transaction, toldConnections: told.length });
  });
  scope.post("/webhooks", async (request, reply) => {
    const { times, url, mode, signature, ...event } = readControl(webhookShape, request.body);
    const eventIds: (string | null)[] = [];
    for (let sent = 0; sent < times; sent += 1) {
      eventIds.push((await events.send(event, { url, mode, signature })) ?? null);
    }
    return reply.code(202).send({ eventIds });
  });
}

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { parseBalance } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import { type AuthFlow, answerUrl, isUuid } from "../auth-flow.ts";
import { ownerOf } from "../data-desk.ts";
import { accountsOf, banks, findPerson, people } from "../domain/banks.ts";
import { transactionId } from "../domain/data-views.ts";
import { faultShape } from "../domain/fault.ts";
import { settingsShape, signatureMode, webhookMode } from "../domain/settings.ts";
import { type Events, eventTypes } from "../events.ts";
import type { ReadMoment } from "../sandbox-clock.ts";
import type { ConnectionStore } from "../storage/connection-store.ts";
import type { ControlStore } from "../storage/control-store.ts";
import type { PostedStore } from "../storage/posted-store.ts";
import type { TaskStore } from "../storage/task-store.ts";
import type { WebhookStore } from "../storage/webhook-store.ts";
import type { WebhookKeys } from "../webhook-keys.ts";

/** What the control API needs. */
export interface ControlDeps {
  readonly controlKey: string;
  readonly control: ControlStore;
  readonly connections: ConnectionStore;
  readonly posted: PostedStore;
  readonly tasks: TaskStore;
  readonly webhooks: WebhookStore;
  readonly keys: WebhookKeys;
  readonly events: Events;
  readonly flow: AuthFlow;
  readonly moment: ReadMoment;
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

/** Everything under `/_control`: faults, settings, consents without a browser, events, and what happened. */
export function addControlRoutes(app: FastifyInstance, deps: ControlDeps): void {
  app.register(
    async (scope) => {
      scope.addHook("onRequest", async (request) => {
        const given = request.headers["x-sandbox-key"];
        if (typeof given !== "string" || !textsEqual(given, deps.controlKey)) throw new DomainError("UNAUTHENTICATED");
      });
      addFaultRoutes(scope, deps);
      addRecordRoutes(scope, deps);
      addConnectionRoutes(scope, deps);
      addEventRoutes(scope, deps);
    },
    { prefix: "/_control" },
  );
}

function addFaultRoutes(scope: FastifyInstance, { control }: ControlDeps): void {
  scope.post("/faults", async (request, reply) => {
    const id = await control.addFault(parsed(faultShape, request.body));
    return reply.code(201).send({ id: String(id) });
  });
  scope.get("/faults", async () => {
    const faults = await control.listFaults();
    return { faults: faults.map(({ id, fault, remaining }) => ({ id: String(id), ...fault, remaining })) };
  });
  scope.delete("/faults", async (_request, reply) => {
    await control.clearFaults();
    return reply.code(204).send();
  });
  scope.get("/settings", () => control.settings());
  scope.patch("/settings", async (request) => {
    const given = typeof request.body === "object" ? request.body : {};
    const settings = parsed(settingsShape.strict(), { ...(await control.settings()), ...given });
    await control.saveSettings(settings);
    return settings;
  });
  scope.delete("/settings", async (_request, reply) => {
    await control.saveSettings(settingsShape.parse({}));
    return reply.code(204).send();
  });
}

function addRecordRoutes(scope: FastifyInstance, { control, webhooks, posted, tasks, keys }: ControlDeps): void {
  scope.get<{ Querystring: { after?: string } }>("/calls", async (request) => {
    const { after = "0" } = request.query;
    const calls = await control.listCalls(/^\d{1,18}$/.test(after) ? BigInt(after) : 0n, listMax);
    return { calls: calls.map((call) => ({ ...call, id: String(call.id) })) };
  });
  scope.delete("/calls", async (_request, reply) => {
    await control.clearCalls();
    return reply.code(204).send();
  });
  scope.get("/webhooks", async () => ({ webhooks: await webhooks.list(listMax) }));
  scope.post("/webhook-keys/rotate", async () => ({ kid: await keys.rotate() }));
  scope.post("/reset", async (_request, reply) => {
    await Promise.all([control.clearFaults(), control.clearCalls(), webhooks.clear(), posted.clear(), tasks.clear()]);
    await control.saveSettings(settingsShape.parse({}));
    return reply.code(204).send();
  });
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
    const asked = parsed(consentShape, request.body);
    return { redirectTo: await consent(flow, asked) };
  });
  scope.post<{ Params: { id: string }; Body: unknown }>("/connections/:id/revoke", async (request) => {
    const { id } = request.params;
    if (!isUuid(id) || !(await connections.revoke(id))) throw new DomainError("CONNECTION_UNKNOWN");
    const { notify } = parsed(z.object({ notify: z.boolean().default(true) }), request.body ?? {});
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
    const { notify, amount, ...asked } = parsed(postingShape, request.body);
    const owner = ownerOf(asked.accountId);
    if (owner === undefined) throw new DomainError("ACCOUNT_UNKNOWN");
    const { now } = await moment();
    const id = uuidv7(now.getTime());
    await posted.add({ ...asked, id, at: now, minor: parseBalance(amount, parseCurrency("GBP")) });
    const transaction = transactionId({ key: `posted/${id}` }, asked.pending ? "pending" : "booked");
    const told = notify ? await connections.listOf(owner.providerId, owner.username) : [];
    for (const { credentialsId } of told) {
      const about = { credentialsId, accountId: asked.accountId };
      await events.send({ ...about, type: "transaction.created", transactionId: transaction });
      await events.send({ ...about, type: "balance.updated" });
    }
    return reply.code(201).send({ transactionId: transaction, toldConnections: told.length });
  });
  scope.post("/webhooks", async (request, reply) => {
    const { times, url, mode, signature, ...event } = parsed(webhookShape, request.body);
    const eventIds: (string | null)[] = [];
    for (let sent = 0; sent < times; sent += 1) {
      eventIds.push((await events.send(event, { url, mode, signature })) ?? null);
    }
    return reply.code(202).send({ eventIds });
  });
}

function parsed<S extends z.ZodType>(shape: S, body: unknown): z.infer<S> {
  const read = shape.safeParse(body);
  if (read.success) return read.data;
  const why = read.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
  throw new DomainError("INVALID_ARGUMENT", { why });
}

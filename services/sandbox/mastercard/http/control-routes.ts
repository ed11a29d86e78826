import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { parseBalance } from "../../../platform/money/amount.ts";
import { readControl } from "../../kit/http/request-fields.ts";
import { usd } from "../account-desk.ts";
import type { ConnectVisit } from "../connect-flow.ts";
import { connectDelivery, connectEventTypes } from "../domain/connect-event.ts";
import type { Account, InstitutionLogin } from "../domain/login.ts";
import { samplePassword } from "../domain/people.ts";
import { signatureMode } from "../domain/settings.ts";
import type { ApiDeps } from "./api-deps.ts";
import { idOf } from "./read-request.ts";

type ById = FastifyRequest<{ Params: { id: string } }>;

const secondsMax = 315_360_000;
const timesMax = 100;
const consentShape = z.object({
  /** The Connect link, as a person would follow it. */
  link: z.url(),
  institutionId: z.string().default("101732"),
  username: z.string().default("demo"),
  accounts: z.array(z.enum(["current", "savings", "card"])).default(["current", "savings", "card"]),
  exit: z.boolean().default(false),
});
const postingShape = z.object({
  /** As in the API: below zero leaves an account, above zero is owed on a card. */
  amount: z.union([z.number(), z.string().max(20)]),
  description: z.string().min(1).max(140),
  pending: z.boolean().default(false),
});
const eventShape = z.object({
  customerId: z.string().max(18),
  eventType: z.enum(connectEventTypes),
  payload: z.record(z.string(), z.unknown()).default({}),
  /** Of an earlier event, to repeat it. */
  eventId: z.string().max(64).optional(),
  signature: signatureMode.optional(),
  times: z.number().int().min(1).max(timesMax).default(1),
});

/** What only this sandbox has under `/_control`: the partner's lock, consents without a browser, logins, transactions, events. */
export function addOwnControlRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  addPartnerRoutes(scope, deps);
  addConnectRoutes(scope, deps);
  addLoginRoutes(scope, deps);
  addAccountRoutes(scope, deps);
}

function addPartnerRoutes(scope: FastifyInstance, { partners, moment }: ApiDeps): void {
  scope.get("/partner", async () => {
    const { failedLogins, locked } = await partners.find();
    return { failedLogins, locked };
  });
  scope.post("/partner/unlock", async (_request, reply) => {
    await partners.unlock();
    return reply.code(204).send();
  });
  scope.post("/partner/expire-tokens", async (_request, reply) => {
    await partners.expireTokens((await moment()).now);
    return reply.code(204).send();
  });
}

function addConnectRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.post("/consents", async (request) => {
    const asked = readControl(consentShape, request.body);
    const token = new URL(asked.link).searchParams.get("token") ?? "";
    const visit = await deps.flow.find(token);
    await deps.flow.start(visit);
    if (asked.exit) return { redirectTo: await deps.flow.leave(visit) };
    return { redirectTo: await consent(deps, visit, token, asked) };
  });
  scope.get("/emails", async () => ({
    emails: (await deps.sessions.listEmails()).map(({ customerId, email, stage, createdAt, expiresAt }) => ({
      customerId: String(customerId),
      email,
      stage,
      createdAt,
      expiresAt,
    })),
  }));
  scope.post("/events", async (request, reply) => {
    const { customerId, eventType, times, ...event } = readControl(eventShape, request.body);
    const session = await deps.sessions.latestOf(idOf(customerId) ?? 0n);
    const delivery = session && connectDelivery(session, { ...event, type: eventType });
    if (delivery === undefined) throw new DomainError("NOT_FOUND");
    for (let sent = 0; sent < times; sent += 1) await deps.deliveries.add(delivery, deps.clock.now());
    return reply.code(202).send({ eventId: delivery.eventId });
  });
}

async function consent(
  deps: ApiDeps,
  visit: ConnectVisit,
  token: string,
  asked: z.infer<typeof consentShape>,
): Promise<string | null> {
  const institution = deps.flow.chosen(visit, asked.institutionId);
  const username = visit.fixes?.username ?? asked.username;
  await deps.flow.signIn(visit, institution, { username, password: samplePassword });
  return deps.flow.allow(await deps.flow.find(token), asked.accounts);
}

function addLoginRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get("/logins", async () => ({ logins: (await deps.logins.list()).map(loginFacts) }));
  scope.post("/logins/:id/status", async (request: ById) => {
    const { code } = readControl(z.object({ code: z.number().int().min(0).max(99_999) }), request.body);
    return done(await deps.logins.setStatus(idIn(request), code));
  });
  scope.post("/logins/:id/revoke", async (request: ById) => {
    return done(await deps.logins.revoke(idIn(request), (await deps.moment()).now));
  });
  scope.post("/logins/:id/authorization-end", async (request: ById) => {
    const shape = z.object({ inSeconds: z.number().int().min(-secondsMax).max(secondsMax) });
    const { inSeconds } = readControl(shape, request.body);
    const { now } = await deps.moment();
    return done(await deps.logins.setAuthorizationEnd(idIn(request), new Date(now.getTime() + inSeconds * 1_000)));
  });
  scope.post("/customers/:id/aggregate", async (request: ById) => {
    const { settings, now } = await deps.moment();
    const nextAt = new Date(now.getTime() + settings.aggregationSeconds * 1_000);
    await deps.accounts.aggregate({ customerId: idIn(request) }, now, nextAt);
    return done(true);
  });
}

function addAccountRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.post("/accounts/:id/transactions", async (request: ById, reply) => {
    const { amount, ...posting } = readControl(postingShape, request.body);
    const { accountId } = await accountIn(deps, request);
    const { now } = await deps.moment();
    await deps.posted.add({ ...posting, accountId, at: now, minor: parseBalance(amount, usd) });
    return reply.code(201).send(done(true));
  });
  scope.post("/accounts/:id/shadow", async (request: ById) => {
    const { count } = readControl(z.object({ count: z.number().int().min(1).max(timesMax).default(1) }), request.body);
    const account = await accountIn(deps, request);
    await deps.posted.shadow(account.accountId, await deps.desk.newestKeys(account, count));
    return done(true);
  });
}

async function accountIn(deps: ApiDeps, request: ById): Promise<Account> {
  const [account] = await deps.accounts.list({ accountId: idIn(request) });
  if (account === undefined) throw new DomainError("NOT_FOUND");
  return account;
}

function idIn(request: ById): bigint {
  return idOf(request.params.id) ?? 0n;
}

function done(isDone: boolean) {
  if (!isDone) throw new DomainError("NOT_FOUND");
  return { done: true };
}

function loginFacts(login: InstitutionLogin) {
  const { loginId, customerId, institutionId, ...facts } = login;
  return { loginId: String(loginId), customerId: String(customerId), institutionId: String(institutionId), ...facts };
}

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { isUuid, uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { parseBalance, toMajorNumber } from "../../../platform/money/amount.ts";
import { dayOf } from "../../kit/domain/calendar.ts";
import { balanceAt, withEntries } from "../../kit/domain/statement.ts";
import { readControl } from "../../kit/http/request-fields.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import type { Approvals } from "../approvals.ts";
import type { ConsentFlow } from "../consent-flow.ts";
import { type EventType, eventType, type Happening } from "../domain/event-body.ts";
import { type Balance, findBalance, findPerson, findProfile, people } from "../domain/people.ts";
import { type Settings, signatureMode } from "../domain/settings.ts";
import { lineKinds, statements } from "../domain/town.ts";
import type { Events } from "../events.ts";
import type { GrantStore } from "../storage/grant-store.ts";
import type { PostedStore } from "../storage/posted-store.ts";

/** What these routes need. */
export interface ControlDeps {
  readonly flow: ConsentFlow;
  readonly grants: GrantStore;
  readonly posted: PostedStore;
  readonly events: Events;
  readonly approvalDesk: Approvals;
  readonly moment: ReadMoment<Settings>;
}

const listMax = 1_000;
const eventsAtOnceMax = 100;

const consentShape = z.object({
  /** The authorization link, as a person would follow it. */
  url: z.url(),
  username: z.string().default("oliver"),
  profile: z.enum(["PERSONAL", "BUSINESS"]).default("PERSONAL"),
  deny: z.boolean().default(false),
});
const number = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const postingShape = z.object({
  balanceId: number,
  /** Below zero leaves the balance. */
  amount: z.union([z.number(), z.string().max(20)]),
  description: z.string().min(1).max(140),
  kind: z.enum(lineKinds).optional(),
  pending: z.boolean().default(false),
  notify: z.boolean().default(true),
});
const webhookShape = z.object({
  type: eventType,
  profileId: number,
  balanceId: number.default(0),
  transferId: number.default(0),
  amount: z.number().default(0),
  currency: z.string().max(3).default("GBP"),
  balanceAfter: z.number().default(0),
  direction: z.enum(["credit", "debit"]).default("credit"),
  currentState: z.string().max(60).default("outgoing_payment_sent"),
  previousState: z.string().max(60).nullable().default(null),
  /** Of an earlier event, to repeat it. */
  occurredAt: z.iso.datetime().optional(),
  times: z.number().int().min(1).max(eventsAtOnceMax).default(1),
  url: z.url({ protocol: /^https?$/ }).optional(),
  signature: signatureMode.optional(),
  skewSeconds: z.number().int().min(-315_360_000).max(315_360_000).optional(),
});
const keyShape = z.object({ publicKey: z.string().max(4_000).nullable() });

/** What only this sandbox has under `/_control`: consents without a browser, grants, the key of strong authentications, events. */
export function addOwnControlRoutes(scope: FastifyInstance, deps: ControlDeps): void {
  addGrantRoutes(scope, deps);
  addEventRoutes(scope, deps);
  scope.put("/sca-key", async (request, reply) => {
    const { publicKey } = readControl(keyShape, request.body);
    try {
      await deps.approvalDesk.register(publicKey);
    } catch {
      throw new DomainError("INVALID_ARGUMENT", { why: "publicKey: not an RSA public key in PEM" });
    }
    return reply.code(204).send();
  });
}

function addGrantRoutes(scope: FastifyInstance, { flow, grants }: ControlDeps): void {
  scope.get("/people", async () => ({
    people: people.map(({ username, profiles }) => ({
      username,
      profiles: profiles.map(({ profileId, type, balances }) => ({
        profileId: Number(profileId),
        type,
        balances: balances.map(({ balanceId, currency, type: kind }) => ({
          balanceId: Number(balanceId),
          currency,
          type: kind,
        })),
      })),
    })),
  }));
  scope.post("/consents", async (request) => ({
    redirectTo: await consent(flow, readControl(consentShape, request.body)),
  }));
  scope.get("/grants", async () => ({
    grants: (await grants.list(listMax)).map((grant) => ({ ...grant, profileId: Number(grant.profileId) })),
  }));
  const change = (path: string, act: (grantId: string) => Promise<boolean>) =>
    scope.post<{ Params: { id: string } }>(`/grants/:id/${path}`, async (request, reply) => {
      const { id } = request.params;
      if (!isUuid(id) || !(await act(id))) throw new DomainError("GRANT_UNKNOWN");
      return reply.code(204).send();
    });
  change("reclaim", (id) => grants.reclaim(id));
  change("expire-authentication", (id) => grants.authenticate(id, null));
  change("expire-access-tokens", async (id) => {
    await grants.dropAccessTokens(id);
    return (await grants.find(id)) !== undefined;
  });
}

async function consent(flow: ConsentFlow, asked: z.infer<typeof consentShape>): Promise<string> {
  const id = await flow.follow(Object.fromEntries(new URL(asked.url).searchParams));
  if (asked.deny) return await flow.deny(id);
  const person = findPerson(asked.username);
  const profile = person?.profiles.find((each) => each.type === asked.profile);
  if (person === undefined || profile === undefined) throw new DomainError("PROFILE_UNKNOWN");
  await flow.signIn(id, person);
  return await flow.allow(id, profile.profileId);
}

function addEventRoutes(scope: FastifyInstance, deps: ControlDeps): void {
  scope.post("/transactions", async (request, reply) => {
    const asked = readControl(postingShape, request.body);
    const balance = findBalance(BigInt(asked.balanceId));
    if (balance === undefined) throw new DomainError("BALANCE_UNKNOWN");
    const { now } = await deps.moment();
    const minor = parseBalance(asked.amount, balance.currency);
    const kind = asked.kind ?? (minor < 0n ? "TRANSFER" : "DEPOSIT");
    const { description, pending, balanceId } = asked;
    await deps.posted.add({ id: uuidv7(), balanceId: BigInt(balanceId), at: now, minor, description, kind, pending });
    const told = asked.notify ? await tellOfMoney(deps, balance, minor, now) : 0;
    return reply.code(201).send({ told });
  });
  scope.post("/webhooks", async (request, reply) => {
    const { times, url, signature, skewSeconds, occurredAt, ...asked } = readControl(webhookShape, request.body);
    if (findProfile(BigInt(asked.profileId)) === undefined) throw new DomainError("PROFILE_NOT_FOUND");
    const { now } = await deps.moment();
    const happening = { ...asked, occurredAt: occurredAt === undefined ? now : new Date(occurredAt) };
    let told = 0;
    for (let sent = 0; sent < times; sent += 1)
      told += await deps.events.send(happening, { url, signature, skewSeconds });
    return reply.code(202).send({ told });
  });
}

async function tellOfMoney(deps: ControlDeps, balance: Balance, minor: bigint, now: Date): Promise<number> {
  const further = await deps.posted.list(balance.balanceId);
  const { all } = balanceAt(withEntries(statements.until(balance.statement, dayOf(now)), further), now);
  const types: EventType[] = minor > 0n ? ["balances#update", "balances#credit"] : ["balances#update"];
  let told = 0;
  for (const type of types) told += await deps.events.send(happeningOf(type, balance, { minor, all, now }));
  return told;
}

function happeningOf(type: EventType, balance: Balance, money: { minor: bigint; all: bigint; now: Date }): Happening {
  const { minor, all, now } = money;
  return {
    type,
    profileId: Number(balance.profileId),
    balanceId: Number(balance.balanceId),
    transferId: now.getTime() % 100_000_000,
    amount: toMajorNumber(minor < 0n ? -minor : minor, balance.currency),
    currency: balance.currency,
    balanceAfter: toMajorNumber(all, balance.currency),
    direction: minor < 0n ? "debit" : "credit",
    currentState: "",
    previousState: null,
    occurredAt: now,
  };
}

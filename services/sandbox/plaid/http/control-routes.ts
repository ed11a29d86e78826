import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { readControl } from "../../kit/http/request-fields.ts";
import { accountIdOf } from "../domain/feed.ts";
import type { Item } from "../domain/item.ts";
import { signatureMode } from "../domain/settings.ts";
import type { ApiDeps } from "./api-deps.ts";
import { sampleEvent } from "./sandbox-routes.ts";

type ItemRequest = FastifyRequest<{ Params: { itemId: string } }>;

const secondsMax = 315_360_000;
const changesMax = 100;
const dayMs = 86_400_000;
const eventCodes = z.enum([
  "SYNC_UPDATES_AVAILABLE",
  "INITIAL_UPDATE",
  "HISTORICAL_UPDATE",
  "DEFAULT_UPDATE",
  "ERROR",
  "LOGIN_REPAIRED",
  "NEW_ACCOUNTS_AVAILABLE",
  "USER_PERMISSION_REVOKED",
  "USER_ACCOUNT_REVOKED",
  "PENDING_EXPIRATION",
  "PENDING_DISCONNECT",
]);

/** What only this sandbox has under `/_control`: items, their consents and their webhooks. */
export function addOwnControlRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  addItemRoutes(scope, deps);
  addConsentRoutes(scope, deps);
  addWebhookRoutes(scope, deps);
}

function addItemRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.get("/items", async () => ({ items: (await deps.items.list()).map(itemFacts) }));
  app.get("/items/:itemId", async (request: ItemRequest) => itemFacts(await itemOf(deps, request)));
  app.post("/items/:itemId/transactions", async (request: ItemRequest) => {
    const count = z.number().int().min(0).max(changesMax).default(0);
    const shape = z.object({ modify: count, remove: count, refresh: z.boolean().default(false) });
    const wanted = readControl(shape, request.body);
    const item = await itemOf(deps, request);
    const now = deps.clock.now();
    const changed = await deps.feed.disturb(item.id, wanted);
    if (wanted.refresh) await deps.feed.requestRefresh(item.id, now);
    else if (changed > 0) await deps.items.send(item.id, sampleEvent(item, "SYNC_UPDATES_AVAILABLE", now), now);
    return { changed };
  });
  app.post("/items/:itemId/mutate-next-page", async (request: ItemRequest) => {
    await deps.feed.mutateNextPage((await itemOf(deps, request)).id);
    return { armed: true };
  });
}

function addConsentRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.post("/items/:itemId/login-required", async (request: ItemRequest) => {
    const item = await itemOf(deps, request);
    const event = { code: "ERROR" } as const;
    return changed(
      await deps.items.changeState({
        itemId: item.id,
        from: ["active"],
        to: "login_required",
        event,
        now: deps.clock.now(),
      }),
    );
  });
  app.post("/items/:itemId/login-repaired", async (request: ItemRequest) => {
    const item = await itemOf(deps, request);
    const event = { code: "LOGIN_REPAIRED" } as const;
    return changed(
      await deps.items.changeState({
        itemId: item.id,
        from: ["login_required"],
        to: "active",
        event,
        now: deps.clock.now(),
      }),
    );
  });
  app.post("/items/:itemId/revoke", async (request: ItemRequest) => {
    const { account, silent } = readControl(
      z.object({ account: z.string().max(40).optional(), silent: z.boolean().default(false) }),
      request.body,
    );
    const item = await itemOf(deps, request);
    const now = deps.clock.now();
    if (account !== undefined) {
      const left = await deps.items.revokeAccount(item.id, account, accountIdOf(item.id, account), now);
      return changed(left);
    }
    const event = silent ? undefined : ({ code: "USER_PERMISSION_REVOKED" } as const);
    return changed(
      await deps.items.changeState({ itemId: item.id, from: ["active", "login_required"], to: "revoked", event, now }),
    );
  });
  app.post("/items/:itemId/consent-expiration", async (request: ItemRequest) => {
    const seconds = z.number().int().min(-secondsMax).max(secondsMax).nullable();
    const { inSeconds } = readControl(z.object({ inSeconds: seconds }), request.body);
    const item = await itemOf(deps, request);
    const ends = inSeconds === null ? null : new Date(deps.clock.now().getTime() + inSeconds * 1000);
    await deps.items.setConsentEnd(item.id, ends);
    return { consentExpirationTime: ends?.toISOString() ?? null };
  });
  app.post("/items/:itemId/pending-disconnect", async (request: ItemRequest) => {
    const shape = z.object({
      reason: z.enum(["INSTITUTION_MIGRATION", "INSTITUTION_TOKEN_EXPIRATION"]).default("INSTITUTION_TOKEN_EXPIRATION"),
      inSeconds: z
        .number()
        .int()
        .min(0)
        .max(secondsMax)
        .default(7 * 86_400),
    });
    const { reason, inSeconds } = readControl(shape, request.body);
    const item = await itemOf(deps, request);
    const now = deps.clock.now();
    const disconnectAt = new Date(now.getTime() + inSeconds * 1000);
    return { sent: await deps.items.send(item.id, { code: "PENDING_DISCONNECT", reason, disconnectAt }, now) };
  });
}

function addWebhookRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.post("/items/:itemId/webhook", async (request: ItemRequest) => {
    const shape = z.object({
      code: eventCodes,
      signature: signatureMode.optional(),
      skewSeconds: z.number().int().min(-dayMs).max(dayMs).optional(),
      times: z.number().int().min(1).max(changesMax).default(1),
    });
    const { code, times, ...twist } = readControl(shape, request.body);
    const item = await itemOf(deps, request);
    const now = deps.clock.now();
    let sent = false;
    for (let count = 0; count < times; count += 1) {
      sent = await deps.items.send(item.id, sampleEvent(item, code, now), now, twist);
    }
    return { sent };
  });
}

async function itemOf(deps: ApiDeps, request: ItemRequest): Promise<Item> {
  const item = await deps.items.find(request.params.itemId);
  if (item === undefined) throw new DomainError("NOT_FOUND");
  return item;
}

function changed(done: boolean) {
  if (!done) throw new DomainError("CONFLICT");
  return { changed: true };
}

function itemFacts(item: Item) {
  return {
    itemId: item.id,
    institutionId: item.institutionId,
    username: item.username,
    accounts: item.accountKeys,
    products: item.products,
    webhook: item.webhook,
    state: item.state,
    consentExpirationTime: item.consentExpiresAt?.toISOString() ?? null,
    updateStatus: item.updateStatus,
    createdAt: item.createdAt.toISOString(),
  };
}

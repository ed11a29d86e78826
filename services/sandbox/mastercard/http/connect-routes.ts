import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { optional } from "../../kit/http/request-fields.ts";
import { pingWebhook } from "../clients/ping-webhook.ts";
import { connectBody } from "../domain/connect-event.ts";
import type { ConnectRequest } from "../domain/connect-request.ts";
import type { Customer } from "../domain/customer.ts";
import { finicityError, missing } from "../domain/finicity-error.ts";
import { connectSignature } from "../webhook-signing.ts";
import type { ApiDeps } from "./api-deps.ts";
import { idOf, readRequest } from "./read-request.ts";

const dataBytesMax = 4_096;
const headersMax = 10;
const url = z.url({ protocol: /^https?$/ }).max(2_000);
const id = z.string().regex(/^\d{1,18}$/);
const common = z.object({
  partnerId: z.string().max(64),
  customerId: id,
  consumerId: optional(z.string().max(64)),
  redirectUri: optional(url),
  webhook: optional(url),
  webhookContentType: optional(z.string().max(60)),
  webhookData: optional(
    z.record(z.string().max(64), z.unknown()).refine((data) => JSON.stringify(data).length <= dataBytesMax),
  ),
  webhookHeaders: optional(
    z
      .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/), z.string().regex(/^[\t\x20-\x7e]{0,500}$/))
      .refine((headers) => Object.keys(headers).length <= headersMax),
  ),
  singleUseUrl: optional(z.boolean()),
  experience: optional(z.union([z.guid(), z.literal("default")])),
});
const fix = common.extend({ institutionLoginId: id });
const text = optional(z.string().max(500));
const email = common.extend({
  email: z.object({
    to: z.email().max(255),
    from: text,
    supportPhone: text,
    subject: text,
    firstName: text,
    institutionName: text,
    institutionAddress: text,
    signature: optional(z.array(z.string().max(500)).max(10)),
  }),
});

/** Connect links: to connect accounts, to repair a login, and by e-mail. */
export function addConnectRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.post("/connect/v2/generate", async (request) => {
    const body = readRequest(common, request.body);
    const { customerId } = await checked(deps, body);
    return { link: await deps.flow.create({ customerId, request: requestOf(body), fixLoginId: null, email: null }) };
  });
  scope.post("/connect/v2/generate/fix", async (request) => {
    const body = readRequest(fix, request.body);
    const { customerId } = await checked(deps, body);
    const login = await deps.logins.find(idOf(body.institutionLoginId) ?? 0n);
    if (login === undefined || login.customerId !== customerId) throw finicityError("14001");
    const session = { customerId, request: requestOf(body), fixLoginId: login.loginId, email: null };
    return { link: await deps.flow.create(session) };
  });
  scope.post("/connect/v2/send/email", async (request) => {
    const body = readRequest(email, request.body);
    const { settings } = await deps.moment();
    if (settings.emailNeedsConsumer && body.consumerId === undefined) throw missing("consumerId");
    const { customerId } = await checked(deps, body);
    const session = { customerId, request: requestOf(body), fixLoginId: null, email: body.email };
    return { link: await deps.flow.create(session), emailConfig: body.email };
  });
}

/** Throws 10010 for another partner, an unknown customer and an address Connect may not end at. */
async function checked(deps: ApiDeps, body: z.infer<typeof common>): Promise<Customer> {
  if (body.partnerId !== deps.partnerId) throw finicityError("10010", "Partner ID is not valid");
  const customer = await deps.customers.find(idOf(body.customerId) ?? 0n);
  if (customer === undefined) {
    throw finicityError("10010", "Customer ID does not exist or does not belong to this partner");
  }
  if (body.redirectUri !== undefined && !mayEndAt(deps.redirectUris, body.redirectUri)) {
    throw finicityError("10010", '"redirectUri" is not valid');
  }
  await ping(deps, body, customer);
  return customer;
}

function mayEndAt(allowed: readonly string[], address: string): boolean {
  const { origin, pathname, hostname } = new URL(address);
  if (allowed.length > 0) return allowed.includes(`${origin}${pathname}`);
  return ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
}

async function ping(deps: ApiDeps, body: z.infer<typeof common>, { customerId }: Customer): Promise<void> {
  const { settings } = await deps.moment();
  const request = requestOf(body);
  if (request.webhook === null || !settings.webhookPing) return;
  const text = connectBody({ customerId, request }, { type: "ping", payload: {} }, randomUUID());
  const signature = connectSignature(text, await deps.partner.secret(), settings.webhookSignature);
  const isThere = await pingWebhook(request.webhook, {
    headers: { ...request.webhookHeaders, ...signature },
    body: text,
  });
  if (!isThere) throw finicityError("10010", "The webhook did not answer the ping with 2xx");
}

function requestOf(body: z.infer<typeof common>): ConnectRequest {
  return {
    consumerId: body.consumerId ?? null,
    redirectUri: body.redirectUri ?? null,
    webhook: body.webhook ?? null,
    webhookData: body.webhookData ?? null,
    webhookHeaders: body.webhookHeaders ?? null,
    singleUse: body.singleUseUrl ?? false,
  };
}

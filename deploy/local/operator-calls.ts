import { setTimeout as sleep } from "node:timers/promises";
import type { LocalSecrets } from "./local-secrets.ts";
import type { Ports } from "./ports.ts";
import { type DemoBankId, demoWorld, origin } from "./world.ts";

/** An operator's call was refused; the message names the call and the answer, never a key. */
export class OperatorCallError extends Error {}

/** What the calls need to know of the world. */
export interface OperatorCallsOptions {
  readonly ports: Ports;
  readonly secrets: LocalSecrets;
}

const callTimeoutMs = 5_000;
const attemptsMax = 60;
const retryMs = 100;

interface Call {
  readonly method: "GET" | "POST" | "PUT";
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/**
 * Creates the demo merchant with its key and OAuth client, and a registration key for each bank, as an operator does: through
 * the gateway alone. Repeating it changes nothing. Throws OperatorCallError when a call is refused for good.
 */
export async function setUpRegistry(options: OperatorCallsOptions): Promise<void> {
  const gateway = origin(options.ports.gateway);
  const registry = `${gateway}/api/v1/registry`;
  await Promise.all([
    setUpMerchant(registry),
    setUpOauthClient(registry, origin(options.ports.shop)),
    ...demoWorld.banks.map(({ id }) => setUpBankKey(registry, id, options.secrets.of(`${id}.registration-key`))),
  ]);
}

async function setUpMerchant(registry: string): Promise<void> {
  const { merchantId, merchantName, merchantKey } = demoWorld;
  await send(operator("POST", `${registry}/merchants`, { merchantId, name: merchantName }));
  // Keys are added, never replaced: asking first keeps a second start from adding one more.
  if (await isKeyAccepted(registry, merchantKey)) return;
  await send(operator("POST", `${registry}/merchants/${merchantId}/keys`, { key: merchantKey }));
}

async function setUpBankKey(registry: string, id: DemoBankId, key: string): Promise<void> {
  if (await isKeyAccepted(registry, key)) return;
  await send(operator("POST", `${registry}/bsims/${id}/keys`, { key }));
}

async function setUpOauthClient(registry: string, shop: string): Promise<void> {
  const clientId = demoWorld.merchantId;
  const answer = await send(
    operator("POST", `${registry}/clients`, {
      clientId,
      name: demoWorld.merchantName,
      redirectUris: [`${shop}/payment/wallet-callback`],
      postLogoutRedirectUris: [`${shop}/`],
      scopes: ["openid", "profile", "email", "payment:authorize"],
      merchantId: demoWorld.merchantId,
    }),
  );
  if (hasLiveSecret(answer)) return;
  await send(operator("POST", `${registry}/clients/${clientId}/secrets`, { secret: demoWorld.merchantSecret }));
}

function hasLiveSecret(client: Record<string, unknown>): boolean {
  const secrets = Array.isArray(client["secrets"]) ? (client["secrets"] as Record<string, unknown>[]) : [];
  return secrets.some((secret) => secret["revokedAt"] === undefined);
}

/**
 * Registers the wallet and the shop as OAuth clients at both banks, and gives the wallet's secret to the Credential service. The
 * secrets are made here and stored nowhere else. Repeating it changes nothing.
 */
export async function setUpBankClients(options: OperatorCallsOptions, isCredentialThere: boolean): Promise<void> {
  await Promise.all(
    demoWorld.banks.map(async ({ id }) => {
      const walletSecret = options.secrets.of(`${id}.wallet-client-secret`);
      const clients = `${origin(options.ports[id])}/api/admin/clients`;
      await send(operator("POST", clients, walletClient(options.ports, id, walletSecret)));
      await send(operator("POST", clients, shopClient(options)));
      if (!isCredentialThere) return;
      await send(
        operator("PUT", `${origin(options.ports.gateway)}/api/v1/provider-clients/${id}`, {
          clientId: demoWorld.walletClientId,
          clientSecret: walletSecret,
        }),
      );
    }),
  );
}

function walletClient(ports: Ports, bank: DemoBankId, clientSecret: string): unknown {
  const app = origin(ports.gateway);
  return {
    clientId: demoWorld.walletClientId,
    clientName: "paymesh wallet",
    clientSecret,
    redirectUris: [
      `${app}/api/mobile/enrollment/callback/${bank}`,
      `${app}/api/enrollment/callback/${bank}`,
      `${app}/auth/callback/${bank}`,
      `${origin(ports.oidc)}/auth/callback/${bank}`,
    ],
    scopes: [
      ...["openid", "offline_access", "profile", "email", "wallet:enroll"],
      ...["fdx:accountdetailed:read", "fdx:transactions:read", "fdx:customercontact:read"],
    ],
    grantTypes: ["authorization_code", "refresh_token"],
  };
}

function shopClient({ ports, secrets }: OperatorCallsOptions): unknown {
  return {
    clientId: demoWorld.merchantId,
    clientName: demoWorld.merchantName,
    clientSecret: secrets.of("shop.bank-client-secret"),
    redirectUris: [`${origin(ports.shop)}/payment/bank-callback`],
    scopes: ["openid", "payment:authorize"],
    grantTypes: ["authorization_code"],
    merchantId: demoWorld.merchantId,
  };
}

/** Waits until both banks are in the registry and, where the wallet runs, offered by it. */
export async function awaitBanks(ports: Ports, isWalletThere: boolean): Promise<void> {
  const gateway = origin(ports.gateway);
  await awaitBankIds(operator("GET", `${gateway}/api/v1/registry/bsims`), "bsims");
  if (isWalletThere) {
    await awaitBankIds({ method: "GET", url: `${gateway}/api/mobile/enrollment/banks`, headers: {} }, "banks");
  }
}

async function awaitBankIds(call: Call, member: string): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax * 2; attempt += 1) {
    const answer = await send(call);
    const rows = Array.isArray(answer[member]) ? (answer[member] as Record<string, unknown>[]) : [];
    const ids = new Set(rows.map((row) => row["bsimId"]));
    if (demoWorld.banks.every(({ id }) => ids.has(id))) return;
    await sleep(retryMs);
  }
  throw new OperatorCallError(`the demo banks did not appear at ${call.url}; see the banks' logs`);
}

/** Waits until the gateway has fetched the keys of phones' tokens; it started beside the wallet and may have been too early. */
export async function awaitMobileKeys(ports: Ports): Promise<void> {
  const counter = `${origin(ports["gateway-admin"])}/stats?filter=jwks_fetch_success`;
  for (let count = 0; count < attemptsMax; count += 1) {
    const response = await fetch(counter, { signal: AbortSignal.timeout(callTimeoutMs) });
    if (/: [1-9]/.test(await response.text())) return;
    await sleep(retryMs);
  }
  throw new OperatorCallError("the gateway could not fetch the wallet's token keys; see the wallet's log");
}

async function isKeyAccepted(registry: string, key: string): Promise<boolean> {
  const response = await attempt({ method: "GET", url: `${registry}/bsims`, headers: { "x-api-key": key } });
  return response.status === 200;
}

function operator(method: Call["method"], url: string, body?: unknown): Call {
  return { method, url, headers: { "x-admin-key": demoWorld.operatorKey }, ...(body === undefined ? {} : { body }) };
}

async function send(call: Call): Promise<Record<string, unknown>> {
  const response = await attempt(call);
  if (response.status >= 200 && response.status < 300) return response.body;
  const { error, message } = response.body;
  throw new OperatorCallError(`${call.method} ${call.url} answered ${response.status}: ${error} (${message})`);
}

/** Repeats a call while the service behind the gateway is still coming up. */
async function attempt(call: Call): Promise<{ status: number; body: Record<string, unknown> }> {
  let failure: unknown;
  for (let count = 0; count < attemptsMax; count += 1) {
    try {
      const response = await fetch(call.url, {
        method: call.method,
        headers: { ...call.headers, "content-type": "application/json" },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal: AbortSignal.timeout(callTimeoutMs),
        redirect: "error",
      });
      const body = (await response.json()) as Record<string, unknown>; // every route answers a JSON object
      if (response.status < 502) return { status: response.status, body };
      failure = new Error(`status ${response.status}`);
    } catch (cause) {
      failure = cause;
    }
    await sleep(retryMs);
  }
  throw new OperatorCallError(`${call.method} ${call.url} is not answered`, { cause: failure });
}

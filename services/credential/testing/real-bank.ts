import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { randomHex } from "../../platform/secrets/random-token.ts";
import { inheritedEnvironment } from "../../platform/testing/inherited-environment.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";
import type { Bank } from "../domain/bank.ts";

const adminKey = "admin-key-of-the-test-bank-0123456789";
const startMsMax = 50_000;

/** The reference bank of this repository as a process of its own, reached by its public HTTP alone. */
export interface RealBank {
  readonly bank: Bank;
  readonly client: { readonly clientId: string; readonly clientSecret: string };
  stop(): Promise<void>;
}

/** Starts the bank with its demo customers and registers the wallet there, as an operator does. */
export async function startRealBank(bankId: string, redirectUri: string): Promise<RealBank> {
  const database = await createTestDatabase({
    schema: "bank",
    directory: new URL("../../bank/storage/migrations/", import.meta.url),
  });
  const origin = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(process.execPath, [fileURLToPath(new URL("../../bank/main.ts", import.meta.url))], {
    env: {
      ...inheritedEnvironment,
      PAYMESH_ENV: "local",
      LOG_LEVEL: "error",
      PORT: new URL(origin).port,
      DATABASE_URL: database.url,
      DATABASE_SCHEMA: "bank",
      BSIM_ID: bankId,
      BSIM_NAME: "North Bank",
      BSIM_API_URL: origin,
      BSIM_AUTH_URL: `${origin}/oidc`,
      BSIM_OPENBANKING_URL: `${origin}/open-banking`,
      BSIM_PAYMENT_API_KEY: randomHex(24),
      BSIM_ADMIN_KEY: adminKey,
      BSIM_ENCRYPTION_KEY: randomHex(24),
      WALLET_CREDENTIAL_SECRET: randomHex(24),
      BSIM_DEMO_DATA: "true",
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const client = { clientId: "wsim-wallet", clientSecret: randomHex(24) };
  await registerWallet(origin, child, { ...client, redirectUri });
  return {
    bank: {
      bankId,
      name: "North Bank",
      issuer: `${origin}/oidc`,
      apiUrl: origin,
      openBankingUrl: `${origin}/open-banking`,
      status: "active",
      health: "healthy",
      walletEnrollmentSupported: true,
    },
    client,
    stop: async () => {
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      await database.drop();
    },
  };
}

async function registerWallet(
  origin: string,
  child: ChildProcess,
  client: { clientId: string; clientSecret: string; redirectUri: string },
): Promise<void> {
  const body = JSON.stringify({
    clientId: client.clientId,
    clientName: "Wallet",
    clientSecret: client.clientSecret,
    redirectUris: [client.redirectUri],
    grantTypes: ["authorization_code", "refresh_token"],
    scopes: ["openid", "profile", "email", "offline_access", "wallet:enroll", "fdx:accountdetailed:read"],
  });
  const headers = { "content-type": "application/json", "x-admin-key": adminKey };
  for (const until = Date.now() + startMsMax; ; await pause(100)) {
    if (child.exitCode !== null) throw new Error(`the bank ended with ${child.exitCode}`);
    try {
      const answer = await request(`${origin}/api/admin/clients`, { method: "POST", headers, body });
      const text = await answer.body.text();
      if (answer.statusCode < 300) return;
      throw new Error(`the bank refused the wallet: ${answer.statusCode} ${text}`);
    } catch (error) {
      const isStarting = error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
      if (!isStarting || Date.now() > until) throw error;
    }
  }
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

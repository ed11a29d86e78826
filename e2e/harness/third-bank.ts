import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePorts } from "../../deploy/local/free-ports.ts";
import { answersOk, type ManagedProcess, startProcess } from "../../deploy/local/managed-process.ts";
import type { Mesh } from "../../deploy/local/mesh.ts";
import { demoWorld, origin, repositoryRoot } from "../../deploy/local/world.ts";
import { migrate } from "../../services/platform/db/migrate.ts";
import { provisionDatabase } from "../../services/platform/db/provision.ts";
import { createLogger } from "../../services/platform/telemetry/logger.ts";
import { call } from "./call.ts";

const readyTimeoutMs = 45_000;

/** A bank the running mesh has never heard of. */
export interface ThirdBank {
  readonly id: string;
  readonly url: string;
  readonly process: ManagedProcess;
}

/** Takes in a third bank as an operator does: a registration key for it, then it starts and registers itself. */
export async function startThirdBank(mesh: Mesh): Promise<ThirdBank> {
  const id = `river-bank-${randomBytes(4).toString("hex")}`;
  const schema = id.replaceAll("-", "_");
  const registrationKey = randomBytes(32).toString("hex");
  const keys = `${mesh.urls.gateway}/api/v1/registry/bsims/${id}/keys`;
  const answer = await call("POST", keys, {
    headers: { "x-admin-key": demoWorld.operatorKey },
    body: { key: registrationKey },
  });
  if (answer.status >= 300) throw new Error(`no registration key: ${answer.status} ${answer.text}`);
  const [port = 0, adminPort = 0] = await freePorts(2);
  const url = origin(port);
  const env = {
    ...mesh.environment("north-bank"),
    BSIM_ID: id,
    BSIM_NAME: "River Bank",
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
    BSIM_API_URL: url,
    BSIM_AUTH_URL: `${url}/oidc`,
    BSIM_OPENBANKING_URL: `${url}/open-banking`,
    BSIM_REGISTRATION_KEY: registrationKey,
    BSIM_PAYMENT_API_KEY: randomBytes(32).toString("hex"),
    BSIM_ENCRYPTION_KEY: randomBytes(32).toString("hex"),
    WALLET_CREDENTIAL_SECRET: randomBytes(32).toString("hex"),
    DATABASE_URL: await prepareSchema(mesh, schema),
    DATABASE_SCHEMA: schema,
  };
  const process_ = await startProcess({
    name: id,
    command: process.execPath,
    args: [path.join(repositoryRoot, "services/bank/main.ts")],
    env,
    cwd: repositoryRoot,
    logFile: path.join(tmpdir(), `${id}-${process.pid}.log`),
    isReady: () => answersOk(`${origin(adminPort)}/health/ready`),
    readyTimeoutMs,
  });
  return { id, url, process: process_ };
}

/** A role and schema of its own, named so that they go with the mesh's. Returns the role's address. */
async function prepareSchema(mesh: Mesh, schema: string): Promise<string> {
  const url = new URL(mesh.environment("north-bank")["DATABASE_URL"] ?? "");
  url.username = url.username.replace(/north_bank$/, schema);
  url.password = randomBytes(16).toString("hex");
  const service = { schema, role: url.username, password: url.password };
  await provisionDatabase({ adminUrl: mesh.databaseUrl, services: [service] });
  await migrate({
    url: mesh.databaseUrl,
    schema,
    directory: new URL("../../services/bank/storage/migrations/", import.meta.url),
    log: createLogger({ service: "migrations", level: "warn" }),
  });
  return url.href;
}

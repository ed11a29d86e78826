import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { inheritedEnvironment } from "../../platform/testing/inherited-environment.ts";
import { freePort } from "./real-bank.ts";

const mainFile = fileURLToPath(new URL("../main.ts", import.meta.url));
// Whole processes start, on machines that may be busy with other tests.
const readyMsMax = 30_000;

export const processEncryptionKey = "encryption-key-of-the-process-tests-0123";
export const processOperatorKey = "operator-key-of-the-process-tests";

/** The service as a process of its own. */
export interface ServiceProcess {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly adminPort: number;
  /** Everything it wrote so far. */
  output(): string;
  /** Waits until it is ready; rejects when it ended before. */
  ready(): Promise<void>;
  /** Ends it by this signal. */
  signal(signal: "SIGTERM" | "SIGKILL"): void;
  /** Its exit code; null when it was killed. */
  readonly exited: Promise<number | null>;
}

/** What a process is started with. */
export interface ServiceProcessOptions {
  readonly databaseUrl: string;
  /** A directory with the certificate of `credential` and its authority. */
  readonly certificates: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Starts `main.ts` on free ports, with nothing of the test's own environment. */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const [grpcPort, httpPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const file = (name: string) => join(options.certificates, name);
  const child = spawn(process.execPath, [mainFile], {
    env: {
      ...inheritedEnvironment,
      PAYMESH_ENV: "local",
      GRPC_PORT: String(grpcPort),
      HTTP_PORT: String(httpPort),
      ADMIN_PORT: String(adminPort),
      DATABASE_URL: options.databaseUrl,
      TLS_CERT_FILE: file("credential.pem"),
      TLS_KEY_FILE: file("credential.key"),
      TLS_CA_FILE: file("ca.pem"),
      API_KEY_PEPPER: "pepper-of-the-process-tests-0123456789",
      OPERATOR_KEYS: `tester:${processOperatorKey}`,
      CREDENTIAL_ENCRYPTION_KEY: processEncryptionKey,
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  let hasExited = false;
  const exited = once(child, "close").then(([code]) => {
    hasExited = true;
    return code as number | null; // as node documents it
  });
  return {
    grpcPort,
    httpPort,
    adminPort,
    output: () => output,
    ready: async () => {
      for (const until = Date.now() + readyMsMax; ; await pause(25)) {
        if (hasExited || Date.now() > until) throw new Error(`the service is not ready: ${output}`);
        if ((await statusOf(`http://127.0.0.1:${adminPort}/health/ready`)) === 200) return;
      }
    },
    signal: (signal) => void child.kill(signal),
    exited,
  };
}

/** The status of an answer; undefined while nobody listens there. */
async function statusOf(url: string): Promise<number | undefined> {
  try {
    const { statusCode, body } = await request(url);
    await body.dump();
    return statusCode;
  } catch {
    return undefined;
  }
}

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually } from "../../platform/testing/eventually.ts";
import { inheritedEnvironment } from "../../platform/testing/inherited-environment.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";

const bankFolder = new URL("../../bank/", import.meta.url);
const paymentKey = "payment-network-key-of-the-reference-bank";

/** A card token of one use, and the wallet card token of its card. */
export interface MintedToken {
  readonly cardToken: string;
  readonly walletCardToken: string;
}

/** The bank of this repository in a process of its own, spoken to by its public HTTP alone. */
export interface ReferenceBank {
  readonly url: string;
  readonly paymentKey: string;
  /** Tokens for 1.00 CAD at this merchant. */
  mint(count: number, merchantId: string): Promise<readonly MintedToken[]>;
  stop(): Promise<void>;
}

/** Starts it as `bsimId` with a database of its own. */
export async function startReferenceBank(bsimId: string): Promise<ReferenceBank> {
  const database = await createTestDatabase({
    schema: "bank",
    directory: new URL("storage/migrations/", bankFolder),
  });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...inheritedEnvironment,
    ...{ PAYMESH_ENV: "local", PORT: String(port), DATABASE_URL: database.url, DATABASE_SCHEMA: "bank" },
    ...{ BSIM_ID: bsimId, BSIM_NAME: bsimId, BSIM_API_URL: url, BSIM_AUTH_URL: `${url}/oidc` },
    ...{ BSIM_PAYMENT_API_KEY: paymentKey, BSIM_ADMIN_KEY: "admin-key-of-the-reference-bank-for-tests" },
    BSIM_ENCRYPTION_KEY: "encryption-key-of-the-reference-bank-tests",
    WALLET_CREDENTIAL_SECRET: "wallet-credential-secret-of-the-test-bank",
  };
  const child = spawn(process.execPath, [fileURLToPath(new URL("main.ts", bankFolder))], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  await served(child, url);
  return {
    url,
    paymentKey,
    mint: async (count, merchantId) => {
      const seed = fileURLToPath(new URL("seed-bench.ts", bankFolder));
      const args = [seed, "--cards", "5", "--tokens", String(count), "--merchant", merchantId];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env });
      return stdout
        .trim()
        .split("\n")
        .map((line) => {
          const [cardToken = "", walletCardToken = ""] = line.split(" ");
          return { cardToken, walletCardToken };
        });
    },
    stop: async () => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await exited;
      await database.drop();
    },
  };
}

async function served(child: ChildProcess, url: string): Promise<void> {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const answers = () =>
    fetch(`${url}/api/registry/info`).then(
      (response) => response.ok,
      () => false,
    );
  await eventually("the bank serves", answers, 60_000).catch((error: unknown) => {
    throw new Error(`the bank did not start: ${output.slice(-2_000)}`, { cause: error });
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

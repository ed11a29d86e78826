import { runSandbox } from "../kit/run-sandbox.ts";
import { buildPlaid } from "./build-plaid.ts";
import { plaidSandboxConfig } from "./config.ts";

await runSandbox("sandbox-plaid", plaidSandboxConfig, buildPlaid);

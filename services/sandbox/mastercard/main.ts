import { runSandbox } from "../kit/run-sandbox.ts";
import { buildMastercard } from "./build-mastercard.ts";
import { mastercardSandboxConfig } from "./config.ts";

await runSandbox("sandbox-mastercard", mastercardSandboxConfig, buildMastercard);

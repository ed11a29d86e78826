import { runSandbox } from "../kit/run-sandbox.ts";
import { buildBasiq } from "./build-basiq.ts";
import { basiqSandboxConfig } from "./config.ts";

await runSandbox("sandbox-basiq", basiqSandboxConfig, buildBasiq);

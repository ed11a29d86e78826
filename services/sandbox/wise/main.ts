import { runSandbox } from "../kit/run-sandbox.ts";
import { buildWise } from "./build-wise.ts";
import { wiseSandboxConfig } from "./config.ts";

await runSandbox("wise-sandbox", wiseSandboxConfig, buildWise);

import { runSandbox } from "../kit/run-sandbox.ts";
import { buildTrueLayerSandbox } from "./build-sandbox.ts";
import { trueLayerSandboxConfig } from "./config.ts";

await runSandbox("truelayer-sandbox", trueLayerSandboxConfig, buildTrueLayerSandbox);

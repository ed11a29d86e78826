import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { answersOk, type ProcessPlan } from "../local/managed-process.ts";
import { readContract } from "./contract.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { renderBootstrap } from "./render-bootstrap.ts";

/** Options of `planEnvoy`. */
export interface EnvoyPlanOptions {
  /** From `findEnvoy`. */
  readonly binary: string;
  readonly gateway: GatewayOptions;
  /** The rendered configuration is written here. */
  readonly configFile: string;
  readonly logFile: string;
  readonly cwd: string;
  /** Worker threads. */
  readonly concurrency: number;
}

/** Writes the configuration for these options and says how to run Envoy with it. */
export async function planEnvoy(options: EnvoyPlanOptions): Promise<ProcessPlan> {
  const contract = readContract(readFileSync(options.gateway.descriptorFile));
  await writeFile(options.configFile, JSON.stringify(renderBootstrap(contract, options.gateway)), { mode: 0o600 });
  const { adminHost, adminPort } = options.gateway;
  return {
    name: "gateway",
    command: options.binary,
    args: [
      ...["--config-path", options.configFile, "--concurrency", String(options.concurrency)],
      // Several gateways may run on one machine; hot restart would make them share memory by number.
      ...["--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "5"],
    ],
    env: {},
    cwd: options.cwd,
    logFile: options.logFile,
    isReady: () => answersOk(`http://${adminHost}:${adminPort}/ready`),
    readyTimeoutMs: 15_000,
  };
}

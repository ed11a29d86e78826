import type { z } from "zod";
import { readConfig } from "../../platform/config/read-config.ts";
import { runService } from "../../platform/lifecycle/run-service.ts";
import type { SandboxConfig } from "./config.ts";
import type { BuildParts, Sandbox } from "./open-sandbox.ts";

/** Runs a sandbox as this process: reads its environment, builds it, listens, and stops it when asked to. */
export async function runSandbox<Config extends SandboxConfig>(
  name: string,
  shape: z.ZodObject & z.ZodType<Config>,
  build: (config: Config, parts: BuildParts) => Promise<Sandbox>,
): Promise<void> {
  await runService(name, async (scope) => {
    const config = readConfig(shape, scope.env);
    const sandbox = await build(config, scope);
    scope.onStop("sandbox", () => sandbox.stop());
    await sandbox.server.listen({ host: config.BIND_HOST, port: config.PORT });
  });
}

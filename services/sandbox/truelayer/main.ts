import { readConfig } from "../../platform/config/read-config.ts";
import { runService } from "../../platform/lifecycle/run-service.ts";
import { buildTrueLayerSandbox } from "./build-sandbox.ts";
import { trueLayerSandboxConfig } from "./config.ts";

await runService("truelayer-sandbox", async (scope) => {
  const config = readConfig(trueLayerSandboxConfig, scope.env);
  const sandbox = await buildTrueLayerSandbox(config, { log: scope.log, clock: scope.clock });
  scope.onStop("sandbox", () => sandbox.stop());
  await sandbox.server.listen({ host: config.BIND_HOST, port: config.PORT });
});

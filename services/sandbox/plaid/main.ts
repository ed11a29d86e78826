import { readConfig } from "../../platform/config/read-config.ts";
import { runService } from "../../platform/lifecycle/run-service.ts";
import { buildPlaid } from "./build-plaid.ts";
import { plaidSandboxConfig } from "./config.ts";

await runService("sandbox-plaid", async (scope) => {
  const config = readConfig(plaidSandboxConfig, scope.env);
  const plaid = await buildPlaid(config, { log: scope.log, clock: scope.clock });
  scope.onStop("plaid sandbox", () => plaid.stop());
  await plaid.server.listen({ host: config.BIND_HOST, port: config.PORT });
});

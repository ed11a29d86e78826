import { readConfig } from "../../platform/config/read-config.ts";
import { runService } from "../../platform/lifecycle/run-service.ts";
import { buildShop } from "./build-shop.ts";
import { shopConfig } from "./config.ts";

await runService("shop", async (scope) => {
  const config = readConfig(shopConfig, scope.env);
  const shop = buildShop(config, { log: scope.log, clock: scope.clock });
  scope.onStop("shop", () => shop.stop());
  await shop.server.listen({ host: config.BIND_HOST, port: config.PORT });
});

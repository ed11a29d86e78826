import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { type ReadinessCheck, runChecks } from "../../platform/lifecycle/admin-server.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Clock } from "../../platform/time/clock.ts";

type HealthHandlers = Pick<Handlers<typeof Wallet>, "getHealth" | "getReadiness" | "getLiveness">;

/** Health as clients ask for it; `version` is this release's. */
export function healthHandlers(options: {
  readonly clock: Clock;
  readonly version: string;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}): HealthHandlers {
  const run = async () => {
    const checks = await runChecks(options.checks);
    return { checks, ready: Object.values(checks).every((usable) => usable) };
  };
  return {
    getHealth: async (_request, ctx) => {
      const { ready } = await run();
      if (!ready) ctx.setHttpStatus(503);
      return {
        status: ready ? "healthy" : "unhealthy",
        timestamp: options.clock.now().toISOString(),
        service: "wallet",
        version: options.version,
        compatibility: "wsim",
      };
    },
    getReadiness: async (_request, ctx) => {
      const { checks, ready } = await run();
      if (!ready) ctx.setHttpStatus(503);
      return { ready, checks };
    },
    getLiveness: async () => ({ alive: true }),
  };
}

import type { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { type ReadinessCheck, runChecks } from "../../platform/lifecycle/admin-server.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Clock } from "../../platform/time/clock.ts";

type HealthHandlers = Pick<Handlers<typeof Router>, "getHealth" | "getReadiness">;

/** `GetHealth` and `GetReadiness`: the latter asks every dependency and is 503 while one is not usable. */
export function healthHandlers(checks: Readonly<Record<string, ReadinessCheck>>, clock: Clock): HealthHandlers {
  return {
    getHealth: async () => ({ status: "healthy", service: "nsim", timestamp: clock.now().toISOString() }),
    getReadiness: async (_request, ctx) => {
      const results = await runChecks(checks);
      const ready = Object.values(results).every((usable) => usable);
      if (!ready) ctx.setHttpStatus(503);
      return { ready, checks: results };
    },
  };
}

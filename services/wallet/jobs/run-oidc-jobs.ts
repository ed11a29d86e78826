import { every } from "../../platform/jobs/every.ts";
import { startOidcExpirySweep } from "../../platform/oidc/expiry-sweep.ts";
import { endAbandonedPayments } from "../oidc/end-abandoned-payments.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import { revokeCardTokens } from "./revoke-card-tokens.ts";

const revokeIntervalMs = 3_000;
const abandonedIntervalMs = 30_000;

/** Starts what the OIDC half does by itself, on any number of replicas. Stop it before closing the database. */
export function runOidcJobs(deps: OidcDeps): { stop(): Promise<void> } {
  const { log, clock } = deps;
  const jobs = [
    every({
      label: "card token revocation",
      intervalMs: revokeIntervalMs,
      work: (signal) => revokeCardTokens(deps, signal),
      log,
    }),
    every({
      label: "abandoned payments",
      intervalMs: abandonedIntervalMs,
      work: () => endAbandonedPayments(deps),
      log,
    }),
    startOidcExpirySweep({ db: deps.oidcDb, clock, log }),
  ];
  return {
    stop: async () => {
      await Promise.all(jobs.map((job) => job.stop()));
    },
  };
}

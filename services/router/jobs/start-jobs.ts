import { every } from "../../platform/jobs/every.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import { expireAuthorizations } from "./expire-authorizations.ts";
import { releaseHolds } from "./release-holds.ts";
import { settleAbandoned } from "./settle-abandoned.ts";
import { settleOperations } from "./settle-operations.ts";

const secondMs = 1_000;

/** Starts the sweeps that end every payment without anyone's help. They claim their rows, so each replica runs them all. */
export function startJobs(desk: PaymentDesk): { stop(): Promise<void> } {
  const { log } = desk;
  const jobs = [
    every({ label: "settle abandoned payments", intervalMs: 2 * secondMs, work: () => settleAbandoned(desk), log }),
    every({ label: "settle operations", intervalMs: secondMs, work: () => settleOperations(desk), log }),
    every({ label: "release holds", intervalMs: secondMs, work: () => releaseHolds(desk), log }),
    every({ label: "expire authorizations", intervalMs: 60 * secondMs, work: () => expireAuthorizations(desk), log }),
  ];
  return {
    stop: async () => {
      await Promise.all(jobs.map((job) => job.stop()));
    },
  };
}

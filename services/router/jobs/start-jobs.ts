import { every } from "../../platform/jobs/every.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import { expireAuthorizations } from "./expire-authorizations.ts";
import { releaseHolds } from "./release-holds.ts";
import { settleAbandoned } from "./settle-abandoned.ts";
import { settleOperations } from "./settle-operations.ts";

const secondMs = 1_000;

/**
 * Starts the sweeps that end every payment without anyone's help. They claim their rows, so each replica runs them all.
 * They rest while `mayDecide` says no: before the Registry's first picture no bank's abilities are known, and a hold that
 * could be released would be listed for a person.
 */
export function startJobs(desk: PaymentDesk, mayDecide: () => boolean): { stop(): Promise<void> } {
  const { log } = desk;
  const once = (work: (desk: PaymentDesk) => Promise<number>) => async (): Promise<unknown> =>
    mayDecide() ? work(desk) : 0;
  const jobs = [
    every({ label: "settle abandoned payments", intervalMs: 2 * secondMs, work: once(settleAbandoned), log }),
    every({ label: "settle operations", intervalMs: secondMs, work: once(settleOperations), log }),
    every({ label: "release holds", intervalMs: secondMs, work: once(releaseHolds), log }),
    every({ label: "expire authorizations", intervalMs: 60 * secondMs, work: once(expireAuthorizations), log }),
  ];
  return {
    stop: async () => {
      await Promise.all(jobs.map((job) => job.stop()));
    },
  };
}

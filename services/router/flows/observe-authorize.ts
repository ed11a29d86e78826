import { counter, histogram } from "../../platform/telemetry/metrics.ts";
import type { ObservedAuthorize } from "./payment-desk.ts";

const outcomes = counter("router_authorizations", "Authorizations decided, by bank and outcome");
const duration = histogram(
  "router_authorization_duration",
  "From the request to the written outcome, by bank and outcome",
);

type BankAttributes = {
  readonly bank: string;
  readonly outcome: string;
};

/** One object for each bank and outcome: the hot path makes none. */
const attributes = new Map<string, BankAttributes>();

/** Counts a decided authorization and its duration. Bank ids are those of the Registry, so the series stay few. */
export function observeAuthorize(observed: ObservedAuthorize): void {
  const name = `${observed.outcome} ${observed.bankId}`;
  let labels = attributes.get(name);
  if (labels === undefined) {
    labels = { bank: observed.bankId, outcome: observed.outcome };
    attributes.set(name, labels);
  }
  outcomes.add(1, labels);
  duration.record(observed.seconds, labels);
}

import { DomainError } from "../../platform/errors/domain-error.ts";
import type { BankStanding, BankStatus } from "./bank.ts";

/** Who acts on a bank's row. */
export type BankActor = "bank" | "operator";

/** What may be done to a bank's standing. `register` is the bank's start; the others are asked for by name. */
export type StandingEvent = "register" | "pause" | "resume" | "remove";

type Row = Readonly<Record<StandingEvent, BankStatus | "refused">>;

/*
 * Status now, event, status afterwards. A bank that paused itself stays paused through a restart, so `register` lifts
 * removal alone. A removed bank is resumed, not paused: pausing it would turn declines into outages.
 */
const transitions: Readonly<Record<BankStatus, Row>> = {
  active: { register: "active", pause: "maintenance", resume: "active", remove: "inactive" },
  maintenance: { register: "maintenance", pause: "maintenance", resume: "active", remove: "inactive" },
  inactive: { register: "active", pause: "refused", resume: "active", remove: "inactive" },
};

/**
 * Where a bank stands after an event. An operator who pauses or removes holds the bank there: its own registrations no
 * longer make it active, and its own wish to be active is refused, until an operator resumes it.
 * @throws DomainError BANK_HELD for a bank's own resume while held, CONFLICT for pausing a removed bank.
 */
export function decideStanding(now: BankStanding, event: StandingEvent, actor: BankActor): BankStanding {
  const next = transitions[now.status][event];
  if (next === "refused") throw new DomainError("CONFLICT", { why: "A removed bank is resumed before it is paused" });
  if (actor === "operator" && event !== "register") return { status: next, heldByOperator: next !== "active" };
  if (!now.heldByOperator) return { status: next, heldByOperator: false };
  if (event === "register") return now;
  if (event === "remove") return { status: next, heldByOperator: true };
  if (next === now.status) return now;
  throw new DomainError("BANK_HELD");
}

/**
 * The event a wished status means.
 * @throws DomainError INVALID_ARGUMENT for anything but the three statuses.
 */
export function eventForStatus(status: string): StandingEvent {
  switch (status) {
    case "active":
      return "resume";
    case "maintenance":
      return "pause";
    case "inactive":
      return "remove";
    default:
      throw new DomainError("INVALID_ARGUMENT", { why: 'status must be "active", "inactive" or "maintenance"' });
  }
}

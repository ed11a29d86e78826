import type { Connection, Owner } from "./connection.ts";

/** How far the consent of a firm's client got. */
export type ClientState = "not_linked" | "pending" | "linked" | "error";

/** A client of a firm as a customer of an aggregator. */
export interface Client {
  /** The firm's tenant and its own id of the client. */
  readonly owner: Owner;
  readonly connector: string;
  readonly customerId: string;
  readonly customerType: "testing" | "active";
  readonly state: ClientState;
  /** The newest step the aggregator told of; empty before any. */
  readonly step: string;
  /** The aggregator's code when it went wrong; empty otherwise. */
  readonly errorCode: string;
  readonly createdAt: Date;
}

/** The tenant of a firm. Never a name of ours: a firm may be called `wallet`. */
export function firmTenant(merchantId: string): string {
  return `firm:${merchantId}`;
}

/** What a step of a consent makes of a client. */
export interface ClientMove {
  readonly from: readonly ClientState[];
  readonly to: ClientState;
  readonly step: string;
  readonly errorCode: string;
}

/**
 * The move for a step: `started`, `added` and the like, `done`, or `error:CODE`. Steps may arrive late and in any order, so a client who
 * is linked stays so: what goes wrong with a further login is told by that login.
 */
export function moveOfStep(step: string): ClientMove {
  if (step === "done") return { from: ["not_linked", "pending", "linked", "error"], to: "linked", step, errorCode: "" };
  const open = ["not_linked", "pending", "error"] as const;
  if (!step.startsWith("error:")) return { from: open, to: "pending", step, errorCode: "" };
  return { from: open, to: "error", step: "error", errorCode: step.slice("error:".length) };
}

/** What a firm is shown of a client. */
export interface ClientBadge {
  readonly badge: ClientState;
  readonly errorCode: string | undefined;
  readonly action: "reconnect" | undefined;
}

/** The badge: what the client's logins say counts before what Connect told of. */
export function badgeOf(client: Client, connections: readonly Pick<Connection, "state">[]): ClientBadge {
  if (connections.some((each) => each.state === "EXPIRED")) {
    return { badge: "error", errorCode: undefined, action: "reconnect" };
  }
  if (connections.length > 0) return { badge: "linked", errorCode: undefined, action: undefined };
  if (client.state === "error") return { badge: "error", errorCode: client.errorCode, action: "reconnect" };
  // Told to be linked, and nothing is there: it has ended since.
  return { badge: client.state === "linked" ? "not_linked" : client.state, errorCode: undefined, action: undefined };
}

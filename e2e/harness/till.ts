import { randomBytes } from "node:crypto";
import { demoWorld } from "../../deploy/local/world.ts";
import { type Answer, call } from "./call.ts";
import { adminCall, type CardTokens } from "./card-holder.ts";

/** What a bank's ledger holds for a merchant, in cents, and how many authorizations it approved. */
export interface Position {
  readonly approved: number;
  readonly held: number;
  readonly captured: number;
  readonly refunded: number;
}

/** A merchant with a key of his own, made by the operator's calls; so that a test counts its own payments alone. */
export class Till {
  readonly merchantId: string;
  readonly key: string;
  readonly #gateway: string;

  private constructor(gateway: string, merchantId: string, key: string) {
    this.#gateway = gateway;
    this.merchantId = merchantId;
    this.key = key;
  }

  /** Creates the merchant and waits until the Router knows his key. */
  static async open(gateway: string): Promise<Till> {
    const till = new Till(gateway, `till-${randomBytes(6).toString("hex")}`, randomBytes(24).toString("hex"));
    const registry = `${gateway}/api/v1/registry/merchants`;
    const headers = { "x-admin-key": demoWorld.operatorKey };
    await call("POST", registry, { headers, body: { merchantId: till.merchantId, name: "Till" } });
    await call("POST", `${registry}/${till.merchantId}/keys`, { headers, body: { key: till.key } });
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await till.#send("GET", "")).status === 200) return till;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the Router does not learn the merchant's key");
  }

  /** An order of this amount, in dollars, with members added or replaced. */
  authorize(
    tokens: Partial<CardTokens>,
    amount: unknown,
    more: { readonly body?: Record<string, unknown>; readonly key?: string; readonly gateway?: string } = {},
  ): Promise<Answer> {
    const orderId = `order-${randomBytes(6).toString("hex")}`;
    const body = { merchantId: this.merchantId, orderId, amount, currency: "CAD", ...tokens, ...more.body };
    return this.#send("POST", "/authorize", body, more);
  }

  /** Captures, voids or refunds. */
  operate(id: unknown, what: "capture" | "void" | "refund", body?: unknown, gateway?: string): Promise<Answer> {
    return this.#send("POST", `/${id}/${what}`, body, gateway === undefined ? {} : { gateway });
  }

  get(id: unknown): Promise<Answer> {
    return this.#send("GET", `/${id}`);
  }

  /** All of the merchant's payments, up to a hundred. */
  async payments(): Promise<Record<string, unknown>[]> {
    const { body } = await this.#send("GET", "?pageSize=100");
    return (body["payments"] ?? []) as Record<string, unknown>[];
  }

  /** What the bank that answers at `bank` has in its books for this merchant; the books must balance. */
  async position(bank: string): Promise<Position> {
    const ledger = await adminCall(bank, "GET", `/ledger?merchantId=${this.merchantId}`);
    if (ledger["balanced"] !== true) throw new Error(`the bank's books do not balance: ${JSON.stringify(ledger)}`);
    const rows = ledger["authorizations"] as Record<string, unknown>[];
    const sum = (name: string, states?: string[]): number =>
      rows
        .filter((row) => states === undefined || states.includes(String(row["state"])))
        .reduce((total, row) => total + Math.round(Number(row[name]) * 100), 0);
    const approved = rows.filter((row) => row["state"] !== "DECLINED");
    return {
      approved: approved.reduce((total, row) => total + Number(row["count"]), 0),
      held: sum("authorized", ["PENDING"]),
      captured: sum("captured"),
      refunded: sum("refunded"),
    };
  }

  #send(
    method: string,
    path: string,
    body?: unknown,
    more: { readonly key?: string; readonly gateway?: string } = {},
  ): Promise<Answer> {
    return call(method, `${more.gateway ?? this.#gateway}/api/v1/payments${path}`, {
      headers: { "x-api-key": this.key, ...(more.key === undefined ? {} : { "idempotency-key": more.key }) },
      ...(body === undefined ? {} : { body }),
    });
  }
}

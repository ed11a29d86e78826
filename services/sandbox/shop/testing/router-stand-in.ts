import { randomUUID } from "node:crypto";
import Fastify from "fastify";

/** A payment as the stand-in keeps it. Amounts are major units, as on the wire. */
interface StoredPayment {
  transactionId: string;
  body: string;
  amount: number;
  status: string;
  captured: number;
  refunded: number;
  answer: Record<string, unknown>;
}

/** The Router's REST contract with one bank behind it: replay by key, capture, void, capped refunds. */
export interface RouterStandIn {
  readonly url: string;
  readonly payments: Map<string, StoredPayment>;
  /** Idempotency keys of every authorize call that arrived, repeats included. */
  readonly keysSeen: string[];
  /** What the next new payments are answered with. */
  next: "authorized" | "declined" | "failed";
  /** Takes the next authorisations but never answers them. */
  hangUp: boolean;
  close(): Promise<void>;
}

/** Starts it on a free port; calls need `x-api-key: key`. */
export async function startRouterStandIn(key: string): Promise<RouterStandIn> {
  const app = Fastify();
  const byKey = new Map<string, StoredPayment>();
  const standIn = {
    url: "",
    payments: new Map<string, StoredPayment>(),
    keysSeen: [] as string[],
    next: "authorized" as RouterStandIn["next"],
    hangUp: false,
    close: () => app.close(),
  };
  app.addHook("onRequest", async (request, reply) => {
    if (request.headers["x-api-key"] !== key) return reply.code(401).send({ error: "unauthorized" });
  });
  app.post<{ Body: { amount: number } }>("/api/v1/payments/authorize", async (request, reply) => {
    const idempotencyKey = String(request.headers["idempotency-key"]);
    standIn.keysSeen.push(idempotencyKey);
    const body = JSON.stringify(request.body);
    const stored = byKey.get(idempotencyKey) ?? newPayment(standIn.next, body, request.body.amount);
    if (stored.body !== body) return reply.code(409).send({ error: "idempotency_conflict" });
    byKey.set(idempotencyKey, stored);
    standIn.payments.set(stored.transactionId, stored);
    if (standIn.hangUp) {
      reply.hijack();
      reply.raw.destroy();
      return reply;
    }
    return reply.code(stored.answer["status"] === "authorized" ? 200 : 400).send(stored.answer);
  });
  app.post<{ Params: { id: string; action: string }; Body: { amount?: number } }>(
    "/api/v1/payments/:id/:action",
    async (request, reply) => {
      const payment = standIn.payments.get(request.params.id);
      if (payment === undefined)
        return reply.code(400).send({ status: "failed", capturedAmount: 0, error: "Transaction not found" });
      return act(payment, request.params.action, request.body?.amount, (status, body) => reply.code(status).send(body));
    },
  );
  app.get<{ Params: { id: string } }>("/api/v1/payments/:id", async (request, reply) => {
    const payment = standIn.payments.get(request.params.id);
    if (payment === undefined) return reply.code(404).send({ error: "Transaction not found" });
    return { transactionId: payment.transactionId, status: payment.status, bsimId: "maple-bank" };
  });
  app.get("/api/v1/registry/bsims/maple-bank", async () => ({ bsimId: "maple-bank", name: "Maple Credit Union" }));
  standIn.url = await app.listen({ host: "127.0.0.1", port: 0 });
  return standIn;
}

function newPayment(status: RouterStandIn["next"], body: string, amount: number): StoredPayment {
  const transactionId = randomUUID();
  const more =
    status === "authorized"
      ? { authorizationCode: "AUTH-1234ABCD" }
      : { declineReason: status === "declined" ? "Insufficient credit" : "bank_timeout" };
  const answer = { transactionId, status, ...more };
  return { transactionId, body, amount, status, captured: 0, refunded: 0, answer };
}

function act(
  payment: StoredPayment,
  action: string,
  amount: number | undefined,
  answer: (status: number, body: object) => unknown,
): unknown {
  const told = () => ({ transactionId: payment.transactionId, status: payment.status });
  if (action === "capture" && payment.status === "authorized") {
    payment.captured = amount ?? payment.amount;
    payment.status = "captured";
    return answer(200, { ...told(), capturedAmount: payment.captured });
  }
  if (action === "void" && payment.status === "authorized") {
    payment.status = "voided";
    return answer(200, told());
  }
  const left = payment.captured - payment.refunded;
  if (action === "refund" && payment.status === "captured" && (amount ?? left) <= left) {
    payment.refunded += amount ?? left;
    if (payment.refunded === payment.captured) payment.status = "refunded";
    return answer(200, { ...told(), refundedAmount: payment.refunded });
  }
  const status = action === "refund" ? "failed" : payment.status;
  return answer(400, { ...told(), status, error: `${action} refused` });
}

import type { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { toMajorNumber } from "../../platform/money/amount.ts";
import { principalOf } from "../../platform/rpc/principal.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import { resolveReconciliation } from "../flows/resolve-reconciliation.ts";
import type {
  ReconciliationEntry,
  ReconciliationOutcome,
  ReconciliationStore,
} from "../storage/reconciliation-store.ts";
import { checkedUuid, pageSizeOf, readPageToken, writePageToken } from "./page-token.ts";
import { filterOf } from "./request-text.ts";

type ReconciliationHandlers = Pick<Handlers<typeof Router>, "listReconciliation" | "resolveReconciliation">;

/** `ListReconciliation` and `ResolveReconciliation`: what operators settle with a bank. */
export function reconciliationHandlers(desk: PaymentDesk, store: ReconciliationStore): ReconciliationHandlers {
  return {
    listReconciliation: async (request) => {
      const limit = pageSizeOf(request.pageSize);
      const after = readPageToken(request.pageToken, 3);
      const found = await store.list({
        bankId: filterOf("bsimId", request.bsimId),
        after: after && {
          createdAt: after.at,
          merchantId: after.ids[0] ?? "",
          paymentId: checkedUuid(after.ids[1]),
          operationId: checkedUuid(after.ids[2]),
        },
        limit: limit + 1,
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        items: page.map(entryMessage),
        nextPageToken:
          last === undefined ? "" : writePageToken(last.createdAt, [last.merchantId, last.paymentId, last.operationId]),
      };
    },
    resolveReconciliation: async (request, ctx) => {
      const operator = principalOf(ctx.principal, "operator")?.name;
      if (operator === undefined) throw new DomainError("PERMISSION_DENIED");
      if (!isUuid(request.id)) throw new DomainError("RECONCILIATION_NOT_FOUND");
      const command = { operationId: request.id, outcome: outcomeOf(request.outcome), operator };
      return entryMessage(await resolveReconciliation(desk, store, command));
    },
  };
}

function outcomeOf(text: string): ReconciliationOutcome {
  if (text === "done" || text === "not_done") return text;
  throw new DomainError("INVALID_ARGUMENT", { why: "outcome is done or not_done" });
}

function entryMessage(entry: ReconciliationEntry) {
  const { resolution } = entry;
  return {
    id: entry.operationId,
    transactionId: entry.paymentId,
    merchantId: entry.merchantId,
    orderId: entry.orderId,
    bsimId: entry.bankId,
    operation: entry.operation,
    amount: toMajorNumber(entry.amountMinor, entry.currency),
    currency: entry.currency,
    reason: entry.reason,
    createdAt: entry.createdAt.toISOString(),
    ...(resolution === undefined
      ? {}
      : { outcome: resolution.outcome, resolvedAt: resolution.at.toISOString(), resolvedBy: resolution.operator }),
  };
}

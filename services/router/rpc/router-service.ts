import { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import type { ReadinessCheck } from "../../platform/lifecycle/admin-server.ts";
import { implement, type ServiceImplementation } from "../../platform/rpc/service-implementation.ts";
import type { Authorizer } from "../flows/authorize.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import type { ReconciliationStore } from "../storage/reconciliation-store.ts";
import { authorizeHandler } from "./authorize.ts";
import { diagnosticHandlers } from "./diagnostics.ts";
import { healthHandlers } from "./health.ts";
import { operationHandlers } from "./operations.ts";
import { paymentReadHandlers } from "./payments.ts";
import { reconciliationHandlers } from "./reconciliation.ts";

/** What the Router's contract is served from. */
export interface RouterServiceOptions {
  readonly desk: PaymentDesk;
  readonly authorizer: Authorizer;
  readonly reconciliation: ReconciliationStore;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}

/** The Router's contract with its handlers. */
export function routerService(options: RouterServiceOptions): ServiceImplementation {
  const { desk, reconciliation } = options;
  return implement(Router, {
    authorize: authorizeHandler(options.authorizer),
    ...operationHandlers(desk),
    ...paymentReadHandlers(desk.payments),
    ...reconciliationHandlers(desk, reconciliation),
    ...diagnosticHandlers(desk.directory, desk.clock),
    ...healthHandlers(options.checks, desk.clock),
  });
}

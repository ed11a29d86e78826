import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import { principalOf } from "../../platform/rpc/principal.ts";

/** The merchant whose key the call carries; every read and write is bound to it. Throws `PERMISSION_DENIED` for others. */
export function merchantOf(ctx: CallContext): string {
  const merchant = principalOf(ctx.principal, "merchant");
  if (merchant === undefined) throw new DomainError("PERMISSION_DENIED");
  return merchant.merchantId;
}

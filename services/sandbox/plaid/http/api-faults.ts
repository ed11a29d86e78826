import type { Refusal, RefusingFault } from "../../kit/domain/fault.ts";
import { isPlaidErrorCode, PlaidError, plaidError, plaidErrorBody } from "../domain/plaid-error.ts";

/** A fault in Plaid's words. Codes this sandbox does not know are told with the class and status asked for. */
export function refusalOf(fault: RefusingFault, requestId: string): Refusal {
  switch (fault.kind) {
    case "rate_limit":
      return refusalBy(plaidError("RATE_LIMIT"), requestId);
    case "server_error": {
      const { facts } = plaidError("INTERNAL_SERVER_ERROR");
      return refusalBy(new PlaidError({ ...facts, status: fault.status }), requestId);
    }
    case "provider_error":
      return refusalBy(scriptedError(fault), requestId);
    default: {
      const impossible: never = fault;
      throw new Error(`unreachable fault ${String(impossible)}`);
    }
  }
}

/** A refusal as the API answers it. */
export function refusalBy(error: PlaidError, requestId: string): Refusal {
  return { status: error.facts.status, code: error.facts.code, body: plaidErrorBody(error, requestId) };
}

function scriptedError(fault: Extract<RefusingFault, { kind: "provider_error" }>): PlaidError {
  if (isPlaidErrorCode(fault.code) && fault.type === undefined) return plaidError(fault.code);
  return new PlaidError({
    type: fault.type ?? "API_ERROR",
    code: fault.code,
    status: fault.status ?? 400,
    message: "an error asked for by the sandbox's operator",
    display: null,
  });
}

import type { Refusal, RefusingFault } from "../../kit/domain/fault.ts";
import { BasiqError, basiqError, errorList, isBasiqErrorCode } from "../domain/basiq-error.ts";

/** A fault in Basiq's words. Codes this sandbox does not know are told with the status asked for. */
export function refusalOf(fault: RefusingFault, requestId: string): Refusal {
  switch (fault.kind) {
    case "rate_limit":
      return refusalBy(basiqError("too-many-requests"), requestId);
    case "server_error": {
      const { facts } = basiqError("service-unavailable");
      return refusalBy(new BasiqError({ ...facts, status: fault.status }), requestId);
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
export function refusalBy(error: BasiqError, requestId: string): Refusal {
  return { status: error.facts.status, code: error.facts.code, body: errorList(error.facts, requestId) };
}

function scriptedError(fault: Extract<RefusingFault, { kind: "provider_error" }>): BasiqError {
  if (isBasiqErrorCode(fault.code) && fault.status === undefined) return basiqError(fault.code);
  const detail = "An error asked for by the sandbox's operator.";
  return new BasiqError({ code: fault.code, status: fault.status ?? 400, title: "Scripted error", detail });
}

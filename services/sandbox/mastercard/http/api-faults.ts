import type { Refusal, RefusingFault } from "../../kit/domain/fault.ts";
import {
  errorBody,
  FinicityError,
  finicityError,
  isFinicityCode,
  notificationErrorBody,
} from "../domain/finicity-error.ts";

/** Where the notification service answers, which has errors of its own shape. */
export const notificationPrefix = "/notification-subscriptions";

/** A fault in the provider's words; undefined for an unknown code without a status. */
export function refusalOf(fault: RefusingFault): Refusal | undefined {
  switch (fault.kind) {
    case "rate_limit":
      return refusalBy(finicityError("429"));
    case "server_error":
      return refusalBy(new FinicityError("500", fault.status, "Internal server error"));
    case "provider_error":
      if (isFinicityCode(fault.code) && fault.status === undefined) return refusalBy(finicityError(fault.code));
      if (fault.status === undefined) return undefined;
      return refusalBy(new FinicityError(fault.code, fault.status, "An error asked for by the sandbox's operator"));
    default: {
      const impossible: never = fault;
      throw new Error(`unreachable fault ${String(impossible)}`);
    }
  }
}

/** A refusal as the API answers it. */
export function refusalBy(error: FinicityError, path = ""): Refusal {
  const body = path.startsWith(notificationPrefix) ? notificationErrorBody(error) : errorBody(error);
  return { status: error.status, code: error.code, body };
}

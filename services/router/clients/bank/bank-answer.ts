import { z } from "zod";
import { type AuthorizeOutcome, type OperationOutcome, shownDeclineReason } from "../../domain/bank-outcome.ts";
import type { OperationKind } from "../../domain/operation.ts";
import type { PostResult } from "./bank-http.ts";

const authorizeAnswer = z.object({
  status: z.string(),
  authorizationCode: z.string().min(1).max(128).nullish(),
  declineReason: z.string().nullish(),
});

const operationAnswer = z.object({ success: z.boolean(), error: z.string().nullish() });

/** The status of an answer that says the request itself was not taken; a timeout (408) says nothing. */
function refusesRequest(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/**
 * What an answer to authorize means. `resent`: the same request went out before and its answer was lost, so that even a
 * clear refusal of this one does not prove that no hold was taken.
 */
export function readAuthorizeAnswer(result: PostResult, resent: boolean): AuthorizeOutcome {
  if (result.kind !== "answer") {
    const holdPossible = result.sent || resent;
    return { kind: "failed", reason: result.kind === "timeout" ? "bank_timeout" : "bank_unavailable", holdPossible };
  }
  if (!isSuccess(result.status)) {
    return { kind: "failed", reason: "bank_unavailable", holdPossible: resent || !refusesRequest(result.status) };
  }
  const answer = authorizeAnswer.safeParse(jsonOf(result.text));
  if (answer.success) {
    const { status, authorizationCode, declineReason } = answer.data;
    // `authorized` is what some banks say for `approved`.
    if ((status === "approved" || status === "authorized") && authorizationCode != null) {
      return { kind: "approved", authorizationCode };
    }
    if (status === "declined") return { kind: "declined", reason: shownDeclineReason(declineReason ?? undefined) };
  }
  return { kind: "failed", reason: "bank_invalid_answer", holdPossible: true };
}

const doneAlready: Readonly<Record<OperationKind, string | undefined>> = Object.freeze({
  capture: "Authorization is captured",
  void: "Authorization is voided",
  refund: undefined,
});

/**
 * What an answer to capture, void or refund means. `resent`: the same operation may have reached the bank before, and
 * then `Authorization is captured` (or voided) is the success of that first call.
 */
export function readOperationAnswer(kind: OperationKind, result: PostResult, resent: boolean): OperationOutcome {
  if (result.kind !== "answer") return result.sent || resent ? "unknown" : "unreachable";
  const { status } = result;
  if (status === 401 || status === 403) return resent ? "unknown" : "unreachable";
  if (!isSuccess(status) && !refusesRequest(status)) return "unknown";
  const answer = operationAnswer.safeParse(jsonOf(result.text));
  if (!answer.success) return isSuccess(status) || resent ? "unknown" : "refused";
  if (answer.data.success) return isSuccess(status) ? "done" : "unknown";
  return resent && answer.data.error != null && answer.data.error === doneAlready[kind] ? "done" : "refused";
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

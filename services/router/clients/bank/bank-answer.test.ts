import { describe, expect, it } from "vitest";
import { readAuthorizeAnswer, readOperationAnswer } from "./bank-answer.ts";

const answer = (status: number, body: unknown) => ({
  kind: "answer" as const,
  status,
  text: typeof body === "string" ? body : JSON.stringify(body),
});

describe("readAuthorizeAnswer", () => {
  it("reads approved, authorized and declined, with members it does not know", () => {
    for (const status of ["approved", "authorized"]) {
      const given = answer(200, { status, authorizationCode: "AUTH-1", more: {} });
      expect(readAuthorizeAnswer(given, false)).toEqual({ kind: "approved", authorizationCode: "AUTH-1" });
    }
    const declined = answer(200, { status: "declined", authorizationCode: null });
    expect(readAuthorizeAnswer(declined, false)).toEqual({ kind: "declined", reason: "Declined by the bank" });
  });

  it.each([
    [400, false],
    [401, false],
    [403, false],
    [408, true],
    [302, true],
    [500, true],
  ])("a %s may have left a hold: %s, and always may when the call was sent before", (status, holdPossible) => {
    expect(readAuthorizeAnswer(answer(status, "{}"), false)).toMatchObject({ kind: "failed", holdPossible });
    expect(readAuthorizeAnswer(answer(status, "{}"), true)).toMatchObject({ kind: "failed", holdPossible: true });
  });

  it.each([
    "",
    "[]",
    "null",
    "<html>",
    '{"status":"approved"}',
    '{"status":"approved","authorizationCode":7}',
    '{"status":1}',
  ])("%s is nonsense behind which there may be a hold", (text) => {
    const outcome = { kind: "failed", reason: "bank_invalid_answer", holdPossible: true };
    expect(readAuthorizeAnswer(answer(200, text), false)).toEqual(outcome);
  });
});

describe("readOperationAnswer", () => {
  const captured = answer(200, { success: false, error: "Authorization is captured" });

  it("takes `Authorization is captured` for success only of a capture that was sent before", () => {
    expect(readOperationAnswer("capture", captured, true)).toBe("done");
    expect(readOperationAnswer("capture", captured, false)).toBe("refused");
    expect(readOperationAnswer("void", captured, true)).toBe("refused");
    expect(readOperationAnswer("refund", captured, true)).toBe("refused");
  });

  it("tells done, refused, unreachable and unknown apart", () => {
    expect(readOperationAnswer("void", answer(200, { success: true }), false)).toBe("done");
    expect(readOperationAnswer("void", answer(400, "no JSON"), false)).toBe("refused");
    expect(readOperationAnswer("void", answer(401, "{}"), false)).toBe("unreachable");
    expect(readOperationAnswer("void", { kind: "network", sent: false }, false)).toBe("unreachable");
    for (const given of [answer(503, "{}"), answer(200, "nonsense"), { kind: "timeout" as const, sent: true }]) {
      expect(readOperationAnswer("void", given, false)).toBe("unknown");
    }
  });

  it("is unknown when an earlier call may have acted and this one was not taken", () => {
    expect(readOperationAnswer("refund", answer(401, "{}"), true)).toBe("unknown");
    expect(readOperationAnswer("refund", { kind: "network", sent: false }, true)).toBe("unknown");
  });
});

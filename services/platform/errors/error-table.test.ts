import { describe, expect, it } from "vitest";
import { BatcherFullError } from "../db/batcher.ts";
import { DomainError } from "./domain-error.ts";
import { errorBody, genericErrors, translateError } from "./error-table.ts";
import { GrpcCode } from "./grpc-code.ts";

describe("translateError", () => {
  it("gives a known reason its code, status, word and members", () => {
    const error = new DomainError("REQUIRED_FIELDS_MISSING", { missing: ["orderId"], required: ["amount", "orderId"] });
    expect(errorBody(translateError(genericErrors, error))).toEqual({
      error: "bad_request",
      message: "Missing required fields: orderId",
      code: GrpcCode.INVALID_ARGUMENT,
      details: [],
      required: ["amount", "orderId"],
    });
  });

  it("shows nothing of an error it does not know", () => {
    for (const thrown of [new Error("password=hunter2"), new DomainError("NO_SUCH_REASON"), "text", undefined]) {
      const body = JSON.stringify(errorBody(translateError(genericErrors, thrown)));
      expect(body).not.toContain("hunter2");
      expect(body).toContain("server_error");
    }
  });

  it("asks the caller to come back when the queue for the database is full", () => {
    expect(errorBody(translateError(genericErrors, new BatcherFullError("password=hunter2")))).toEqual({
      error: "unavailable",
      message: "The service is not available right now",
      code: GrpcCode.UNAVAILABLE,
      details: [],
      retryAfterSeconds: 1,
    });
  });

  it("does not take a reason from the prototype of the table", () => {
    expect(translateError(genericErrors, new DomainError("constructor")).reason).toBe("INTERNAL");
  });
});

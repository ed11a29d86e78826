import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Answer, call } from "./harness/call.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly required: boolean };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

// The committed document: tests are collected before anything runs. One test compares it with the one served.
const document = JSON.parse(readFileSync(new URL("../gen/openapi/paymesh.json", import.meta.url), "utf8")) as Document;

const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([verb, operation]) => ({
    name: `${verb.toUpperCase()} ${path}`,
    verb: verb.toUpperCase(),
    path: path.replace(/\{[^}]*\}/g, "unknown-1"),
    operation,
  })),
);
const isOpen = (operation: Operation): boolean => operation.security.some((way) => Object.keys(way).length === 0);
const guarded = routes.filter(({ operation }) => !isOpen(operation));
const open = routes.filter(({ operation }) => isOpen(operation));

let gateway: string;

beforeAll(() => {
  gateway = sharedMesh().urls.gateway;
});

/** Every failure: a word, a text, gRPC's number, and a list. */
function expectErrorShape(answer: Answer): void {
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.body).toMatchObject({
    error: expect.stringMatching(/\S/),
    message: expect.stringMatching(/\S/),
    code: expect.any(Number),
    details: [],
  });
  for (const name of ["x-http-status", "x-error-code", "x-error-members", "grpc-status", "grpc-message"]) {
    expect(answer.headers.has(name), `${name} left the gateway`).toBe(false);
  }
}

/** The id a person can quote; answers given before a request is read have none. */
function expectRequestId(answer: Answer): void {
  expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
}

describe("a caller without credentials", () => {
  it.each(guarded)("gets 401 in the error shape from $name", async ({ verb, path, operation }) => {
    const answer = await call(verb, gateway + path, operation.requestBody === undefined ? {} : { body: {} });
    expectErrorShape(answer);
    expectRequestId(answer);
    expect({ status: answer.status, code: answer.body["code"] }).toEqual({ status: 401, code: 16 });
  });
});

describe("a caller with credentials nobody issued", () => {
  const headers = {
    authorization: "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSJ9.",
    "x-api-key": "not-a-key",
    "x-admin-key": "not-a-key",
    cookie: "wsim.sid=not-a-session",
  };

  it.each(guarded)("gets 401 in the error shape from $name", async ({ verb, path, operation }) => {
    const body = operation.requestBody === undefined ? {} : { body: {} };
    const answer = await call(verb, gateway + path, { ...body, headers });
    expectErrorShape(answer);
    expect(answer.status).toBe(401);
  });
});

describe("an open route", () => {
  it.each(open)("answers $name with success or an error in shape", async ({ verb, path, operation }) => {
    const answer = await call(verb, gateway + path, operation.requestBody === undefined ? {} : { body: {} });
    if (operation.requestBody?.required === true) expect(answer.status).toBe(400);
    if (answer.status >= 400) expectErrorShape(answer);
    expectRequestId(answer);
    expect(answer.status).toBeLessThan(500);
  });

  it.each(open.filter(({ operation }) => operation.requestBody !== undefined))(
    "refuses malformed JSON at $name with 400 bad_request",
    async ({ verb, path }) => {
      const answer = await call(verb, gateway + path, { body: '{"email":' });
      expectErrorShape(answer);
      expect({ status: answer.status, error: answer.body["error"] }).toEqual({ status: 400, error: "bad_request" });
    },
  );
});

describe("what the gateway itself refuses", () => {
  it.each([
    ["an unknown route", "GET", "/api/v1/nothing", 404, "not_found"],
    ["a wrong method", "DELETE", "/api/v1/payments/authorize", 404, "not_found"],
    ["an escaped slash in an id", "GET", "/api/v1/payments/a%2Fb", 400, "bad_request"],
    ["a route between services", "GET", "/internal/mobile-jwks", 404, "not_found"],
    ["biometric sign-in, which is not offered", "POST", "/api/mobile/auth/biometric/verify", 404, "not_found"],
    ["payment requests from the phone", "POST", "/api/mobile/payment/request", 404, "not_found"],
    ["merchants' webhooks", "POST", "/api/v1/webhooks", 404, "not_found"],
    ["person to person transfers", "POST", "/api/v1/transfers", 404, "not_found"],
    ["the profile", "PUT", "/api/mobile/profile", 404, "not_found"],
    ["merchants' sessions", "GET", "/api/merchant/user", 404, "not_found"],
  ])("answers %s in the error shape", async (_what, verb, path, status, error) => {
    const answer = await call(verb, gateway + path);
    expectErrorShape(answer);
    expect({ status: answer.status, error: answer.body["error"] }).toEqual({ status, error });
  });

  it("answers a body over 64 KiB with 413", async () => {
    const body = { merchantId: "m", cardToken: "x".repeat(100_000) };
    const answer = await call("POST", `${gateway}/api/v1/payments/authorize`, { body });
    expectErrorShape(answer);
    expect(answer.status).toBe(413);
  });
});

it("serves the OpenAPI document it was rendered with", async () => {
  const answer = await call("GET", `${gateway}/openapi.json`);
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual(document);
});

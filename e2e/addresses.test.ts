import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { demoWorld } from "../deploy/local/world.ts";
import { call } from "./harness/call.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const banks = Object.entries(urls.banks);

/** Every address in an answer, however deep. */
function addressesIn(value: unknown): string[] {
  if (typeof value === "string") return /^https?:/.test(value) ? [value] : [];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(addressesIn) : [];
}

async function startEnrolment(bankId: string): Promise<Readonly<Record<string, unknown>>> {
  const deviceId = `device-${randomBytes(6).toString("hex")}`;
  const mobile = `${urls.gateway}/api/mobile`;
  const made = await call("POST", `${mobile}/auth/register`, {
    body: { email: `${deviceId}@example.com`, name: "Ada", deviceId, deviceName: "Phone", platform: "ios" },
  });
  const { accessToken } = made.body["tokens"] as { accessToken: string };
  const headers = { authorization: `Bearer ${accessToken}` };
  return (await call("POST", `${mobile}/enrollment/start/${bankId}`, { headers, body: {} })).body;
}

describe("addresses made by the mesh and the banks", () => {
  it("never hold /api twice, and lead to the origin they name", async () => {
    const headers = { "x-admin-key": demoWorld.operatorKey };
    const answers = await Promise.all([
      call("GET", `${urls.oidc}/.well-known/openid-configuration`),
      call("GET", `${urls.gateway}/api/v1/registry/bsims`, { headers }),
      call("GET", `${urls.gateway}/api/enrollment/banks`),
      ...banks.flatMap(([, bank]) => [
        call("GET", `${bank}/oidc/.well-known/openid-configuration`),
        call("GET", `${bank}/api/registry/info`),
      ]),
    ]);
    for (const answer of answers) expect(answer.status).toBe(200);
    const started = await Promise.all(banks.map(([id]) => startEnrolment(id)));
    const found = [...answers.map((answer) => answer.body), ...started].flatMap(addressesIn);
    // The redirect address travels inside the other one.
    const whole = found.map((address) => decodeURIComponent(address));
    expect(whole.length).toBeGreaterThan(30);
    expect(whole.filter((address) => /\/api\/+api(\/|$)|[^:]\/\//.test(address.split("?")[0] ?? ""))).toEqual([]);
    expect(whole.filter((address) => address.includes("/api/api"))).toEqual([]);
    for (const [id, bank] of banks) {
      const { authUrl, callbackUrlPattern } = started.find((each) => each["bsimId"] === id) ?? {};
      expect(String(authUrl).startsWith(`${bank}/oidc/`)).toBe(true);
      expect(callbackUrlPattern).toBe(`${urls.gateway}/api/mobile/enrollment/callback/${id}`);
    }
  });
});

describe("readiness", () => {
  const routes = [
    ...["/health", "/health/ready", "/api/health"].map((route) => `${urls.gateway}${route}`),
    ...["/health", "/health/ready"].map((route) => `${urls.oidc}${route}`),
    ...Object.values(urls.admin).flatMap((admin) => [`${admin}/health/live`, `${admin}/health/ready`]),
    ...banks.flatMap(([, bank]) => [`${bank}/health`, `${bank}/api/health`]),
  ];

  it.each(routes.map((url) => ({ url, route: url.replace(/^http:\/\/127\.0\.0\.1:\d+/, "") })))(
    "is told at $route",
    async ({ url }) => {
      const answer = await call("GET", url);
      expect(answer.status).toBe(200);
      expect([answer.body["ready"], answer.body["alive"], answer.body["status"]].filter(Boolean)).not.toEqual([]);
    },
  );
});

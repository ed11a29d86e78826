import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Visitor } from "../deploy/local/demo/visitor.ts";
import { demoWorld } from "../deploy/local/world.ts";
import { call } from "./harness/call.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const mobile = `${urls.gateway}/api/mobile`;

/** Starts an enrolment as a new person; gives the bank's address and the phone's credentials. */
async function startEnrolment(): Promise<{ authUrl: URL; headers: Record<string, string> }> {
  const deviceId = `device-${randomBytes(6).toString("hex")}`;
  const made = await call("POST", `${mobile}/auth/register`, {
    body: { email: `${deviceId}@example.com`, name: "Ada", deviceId, deviceName: "Phone", platform: "ios" },
  });
  const { accessToken } = made.body["tokens"] as { accessToken: string };
  const headers = { authorization: `Bearer ${accessToken}` };
  const started = await call("POST", `${mobile}/enrollment/start/north-bank`, { headers, body: {} });
  return { authUrl: new URL(String(started.body["authUrl"])), headers };
}

/** Consents at the bank; ends where the wallet sends the browser. */
async function consent(authUrl: URL): Promise<URL> {
  const browser = new Visitor();
  await browser.open(authUrl.href);
  await browser.press("Sign in", { Email: "customer1@example.com", Password: demoWorld.password });
  await browser.press("Allow");
  return new URL(browser.current.url);
}

async function enrolments(headers: Record<string, string>): Promise<unknown> {
  return (await call("GET", `${mobile}/enrollment/list`, { headers })).body["enrollments"];
}

describe("a consent somebody tampered with", () => {
  it.each([
    ["nonce", "invalid_state"],
    ["code_challenge", "invalid_grant"],
    ["state", "invalid_state"],
  ])("on its way to the bank, in its %s, ends in %s and enrols nothing", async (member, error) => {
    const { authUrl, headers } = await startEnrolment();
    authUrl.searchParams.set(member, randomBytes(32).toString("base64url"));
    const link = await consent(authUrl);
    expect(link.protocol).toBe("mwsim:");
    expect(link.searchParams.get("success")).toBe("false");
    expect(link.searchParams.get("error")).toBe(error);
    expect(await enrolments(headers)).toEqual([]);
  });

  it("is fine when nobody did", async () => {
    const { authUrl, headers } = await startEnrolment();
    expect((await consent(authUrl)).searchParams.get("success")).toBe("true");
    expect(await enrolments(headers)).toHaveLength(1);
  });
});

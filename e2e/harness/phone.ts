import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, call } from "./call.ts";

/** Calls a path below `/api` as its person. */
export type Phone = (method: string, path: string, body?: unknown) => Promise<Answer>;

/** The phone of a person who has just signed up; `api` is the gateway's `/api`. */
export async function phoneAt(api: string): Promise<Phone> {
  const device = {
    deviceId: `device-${randomBytes(8).toString("hex")}`,
    deviceName: "Test phone",
    platform: "android",
  };
  const email = `phone-${randomBytes(6).toString("hex")}@example.com`;
  const { body } = await call("POST", `${api}/mobile/auth/register`, { body: { email, name: "Ada", ...device } });
  const { accessToken } = body["tokens"] as { accessToken: string }; // as the contract says
  const headers = { authorization: `Bearer ${accessToken}` };
  return (method, path, given) =>
    call(method, `${api}${path}`, { headers, ...(given === undefined ? {} : { body: given }) });
}

/** This connection, or a new one where an earlier try of the test has ended it. */
export async function stillConnected(
  phone: Phone,
  connectionId: string,
  connect: () => Promise<string>,
): Promise<string> {
  const { status } = await phone("GET", `/connectors/connections/${connectionId}`);
  return status === 404 ? await connect() : connectionId;
}

/** Looks every tenth of a second, for twenty seconds, until there is something. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await pause(100);
  }
  throw new Error("it did not come");
}

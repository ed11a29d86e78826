import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { Mailbox } from "../deploy/local/demo/mailbox.ts";
import { demoWorld } from "../deploy/local/world.ts";
import { type Fetched, FormBrowser, plainText } from "../services/platform/testing/form-browser.ts";
import { call } from "./harness/call.ts";
import { eventually } from "./harness/phone.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();

it("a person signs up on the way to the connected accounts, connects one, and signs out of both pages", async () => {
  const browser = new FormBrowser();
  const email = `pages-${randomBytes(6).toString("hex")}@example.com`;
  const stranger = await browser.open(`${urls.gateway}/connections`);
  expect(stranger.url).toBe(`${urls.gateway}/login/connections`);
  const form = await browser.open(`${stranger.url}?with=sign-up`);
  const sent = await browser.press(form, "Sign up", { Email: email, Name: "Ada" });
  const list = await browser.press(sent, "Sign in", { Code: await new Mailbox(urls.mail, email).nextCode() });
  expect(list.url).toBe(`${urls.gateway}/connections`);

  const bank = await browser.press(list, "Connect First Platypus Bank through Plaid");
  const consent = await browser.press(bank, "Sign in", { "User name": "user_maria", Password: "pass_good" });
  const connection = await browser.press(consent, "Allow");
  expect(plainText(connection.text)).toContain("First Platypus Bank Connected Through Plaid");

  const wallet = await browser.open(`${urls.gateway}/wallet`);
  expect(plainText(wallet.text)).toContain("Connected accounts");
  await browser.press(wallet, "Sign out");
  expect((await browser.open(connection.url)).url).toBe(`${urls.gateway}/login/connections`);
});

it("a person keeps a consent, is told by mail and on the wallet's page when it is taken back at the provider, and leaves for good", async () => {
  const browser = new FormBrowser();
  const email = `told-${randomBytes(6).toString("hex")}@example.com`;
  const form = await browser.open(`${urls.gateway}/login/connections?with=sign-up`);
  const sent = await browser.press(form, "Sign up", { Email: email, Name: "Priya" });
  const list = await browser.press(sent, "Sign in", { Code: await new Mailbox(urls.mail, email).nextCode() });
  const allowAt = async (bank: Fetched) => {
    const consent = await browser.press(bank, "Sign in", { "User name": "priya", Password: "shah" });
    return await browser.press(consent, "Allow");
  };
  const keep = async ({ url }: Fetched) =>
    await browser.press(await browser.open(`${url.split("?")[0]}/extend`), "Keep access for another 90 days");
  const connection = await allowAt(await browser.press(list, "Connect Saltire Bank through TrueLayer"));
  expect(plainText((await keep(connection)).text)).toContain("Your consent goes on.");
  // This one wants its customer to come for it, and is the same connection after.
  const strict = await allowAt(await browser.press(list, "Connect Heron Building Society through TrueLayer"));
  const back = await allowAt(await keep(strict));
  expect(back.url.split("?")[0]).toBe(strict.url.split("?")[0]);

  const control = `${urls.providers.truelayer}/_control/connections`;
  const key = { headers: { "x-sandbox-key": demoWorld.operatorKey } };
  const { body } = await call("GET", control, key);
  // Nobody else of this run has an account there.
  const there = (body["connections"] as Record<string, string>[]).filter(
    (each) => each["username"] === "priya" && each["providerId"] === "ob-saltire",
  );
  for (const each of there) await call("POST", `${control}/${each["credentialsId"]}/revoke`, { ...key, body: {} });
  const subject = "Saltire Bank is not connected any more";
  const mail = await eventually(async () => {
    const inbox = await call("GET", `${urls.mail}/api/messages?to=${encodeURIComponent(email)}`);
    return (inbox.body["messages"] as { subject: string; text: string }[]).find((each) => each.subject === subject);
  });
  expect(mail.text).toContain(`${urls.gateway}/connections`);
  const wallet = await browser.open(`${urls.gateway}/wallet`);
  expect(plainText(wallet.text)).toContain(subject);
  expect(plainText((await browser.press(wallet, `Hide: ${subject}`)).text)).not.toContain(subject);

  const leaving = await browser.open(`${urls.gateway}/wallet/close`);
  const end = await browser.submit(leaving, "/wallet/close", { understood: "yes" });
  expect(plainText(end.text)).toContain("what was kept about your accounts is gone");
  expect((await browser.open(connection.url)).url).toBe(`${urls.gateway}/login/connections`);
});

it("what the pages do not have is not found", async () => {
  expect((await call("GET", `${urls.gateway}/connectionsfoo`)).status).toBe(404);
  expect((await call("PUT", `${urls.gateway}/connections`)).status).toBe(405);
  for (const [place, way] of [
    ["/wallet/nowhere", "/wallet"],
    ["/connections/no/where", "/connections"],
  ]) {
    const page = await new FormBrowser().open(`${urls.gateway}${place}`);
    expect(page.status, place).toBe(404);
    expect(plainText(page.text), place).toContain("Page not found There is no page at this address.");
    expect(page.text, place).toContain(`href="${way}"`);
    expect((await call("GET", `${urls.gateway}${place}`)).body, place).toMatchObject({ error: "not_found" });
  }
});

import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { Mailbox } from "../deploy/local/demo/mailbox.ts";
import { FormBrowser, plainText } from "../services/platform/testing/form-browser.ts";
import { call } from "./harness/call.ts";
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

it("what the pages do not have is not found", async () => {
  expect((await call("GET", `${urls.gateway}/connectionsfoo`)).status).toBe(404);
  expect((await call("PUT", `${urls.gateway}/connections`)).status).toBe(405);
});

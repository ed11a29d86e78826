import { createServer, type Server } from "node:http";
import sparticuz from "@sparticuz/chromium";
import { type Browser, chromium, type Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import {
  type IdentityUnderTest,
  merchant,
  password,
  startIdentity,
  type TestCustomer,
  wallet,
  walletScope,
} from "../../testing/identity-under-test.ts";

let bank: IdentityUnderTest;
let browser: Browser;
let customer: TestCustomer;
let walletSite: Server;
let redirect: string;
const reached: URL[] = [];
setUp(async () => {
  bank = await startIdentity();
  customer = await bank.addCustomer("Ada Example");
  walletSite = createServer((request, response) => {
    reached.push(new URL(request.url ?? "/", redirect));
    response.end("wallet");
  });
  await new Promise<void>((resolve) => walletSite.listen(0, "127.0.0.1", resolve));
  const address = walletSite.address();
  redirect = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/callback`;
  await bank.db.query
    .updateTable("oauth_clients")
    .set({ redirect_uris: [redirect] })
    .where("client_id", "=", wallet.id)
    .execute();
  browser = await chromium.launch({
    executablePath: await sparticuz.executablePath(),
    args: sparticuz.args,
    headless: true,
  });
  return async () => {
    await browser.close();
    walletSite.close();
    await bank.stop();
  };
});

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 900 };

/** A page without scripts, where the wallet sends the customer. */
async function openPage(viewport: { width: number; height: number }, colorScheme: "light" | "dark" = "light") {
  reached.length = 0;
  const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: false });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(bank.authUrl(wallet, walletScope, { redirect_uri: redirect }).url);
  return page;
}

async function shoot(page: Page, name: string) {
  const directory = process.env["SCREENSHOTS"];
  if (directory !== undefined) await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true });
}

async function expectToFit(page: Page, width: number) {
  const main = await page.locator("main").boundingBox();
  expect(main?.width).toBeLessThanOrEqual(width);
  for (const element of await page
    .locator("input:visible:not([type=checkbox]):not([type=radio]), button:visible, label.choice:visible")
    .all()) {
    const box = await element.boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
  }
}

describe.each([
  ["phone", phone, "light"],
  ["phone", phone, "dark"],
  ["desktop", desktop, "light"],
] as const)("on a %s", (name, viewport, scheme) => {
  it(`signs in and allows without scripts, by labels and buttons (${scheme})`, async () => {
    const page = await openPage(viewport, scheme);
    await expectToFit(page, viewport.width);
    await shoot(page, `${name}-${scheme}-sign-in`);
    await page.getByLabel("Email").fill(customer.email);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await shoot(page, `${name}-${scheme}-refused`);
    expect(await page.getByRole("alert").textContent()).toContain("not right");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: /Add your cards/ }).waitFor();
    await expectToFit(page, viewport.width);
    await shoot(page, `${name}-${scheme}-consent`);
    await page.getByRole("checkbox", { name: /Visa ending in 4242/ }).uncheck();
    await page.getByRole("button", { name: "Allow" }).click();
    await page.waitForURL(`${redirect}**`);
    expect(reached[0]?.searchParams.get("code")).toBeTruthy();
  });
});

describe("payment consent on a phone", () => {
  it("offers one card and an optional limit", async () => {
    await bank.db.query
      .updateTable("oauth_clients")
      .set({ redirect_uris: [redirect] })
      .where("client_id", "=", merchant.id)
      .execute();
    const page = await openPage(phone);
    const request = { redirect_uri: redirect, prompt: "consent" };
    await page.goto(bank.authUrl(merchant, "openid payment:authorize", request).url);
    await page.getByLabel("Email").fill(customer.email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("radio", { name: /Mastercard ending in 4444/ }).check();
    await page.getByLabel("Limit in CAD (optional)").fill("25.00");
    await expectToFit(page, phone.width);
    await shoot(page, "phone-light-payment");
    await page.getByRole("button", { name: "Allow" }).click();
    await page.waitForURL(`${redirect}**`);
    expect(reached.at(-1)?.searchParams.get("code")).toBeTruthy();
  });
});

describe("by keyboard alone", () => {
  it("signs in, leaves a card out and denies", async () => {
    const page = await openPage(desktop);
    // Focus is given a moment after the page has loaded: keys struck before would be lost.
    const email = page.getByLabel("Email");
    await email.and(page.locator(":focus")).waitFor();
    await page.keyboard.type(customer.email);
    await page.keyboard.press("Tab");
    await page.getByLabel("Password").and(page.locator(":focus")).waitFor();
    await page.keyboard.type(password);
    expect(await email.inputValue()).toBe(customer.email);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: /Add your cards/ }).waitFor();
    const first = page.getByRole("checkbox", { name: /Visa ending in 4242/ });
    for (let presses = 0; presses < 10 && !(await isFocused(page, first)); presses += 1)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    expect(await first.isChecked()).toBe(false);
    const deny = page.getByRole("button", { name: "Deny" });
    for (let presses = 0; presses < 15 && !(await isFocused(page, deny)); presses += 1)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${redirect}**`);
    expect(reached[0]?.searchParams.get("error")).toBe("access_denied");
  });
});

async function isFocused(page: Page, locator: ReturnType<Page["locator"]>): Promise<boolean> {
  return (await page.locator(":focus").count()) > 0 && (await locator.and(page.locator(":focus")).count()) === 1;
}

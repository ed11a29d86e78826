import { randomBytes } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./harness/call.ts";
import { launchBrowser, openWindow, type Screen, saveScreenshot } from "./harness/launch-browser.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const journeyTimeoutMs = 90_000;
let browser: Browser;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
});

/** Words of the head's links and of states that do not stand on one line. */
const brokenLabels = `[...document.querySelectorAll(".site nav a, .badge")]
  .filter((label) => label.getBoundingClientRect().height >= 2 * Number.parseFloat(getComputedStyle(label).lineHeight))
  .map((label) => label.textContent)`;

const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
const fill = (page: Page, label: string, value: string) => page.getByLabel(label, { exact: true }).fill(value);

async function codeFor(email: string): Promise<string> {
  let code: string | undefined;
  await expect
    .poll(
      async () => {
        const { body } = await call("GET", `${urls.mail}/api/messages?to=${encodeURIComponent(email)}`);
        const messages = body["messages"] as { text: string }[];
        code = /^\d{6}$/m.exec(messages.at(-1)?.text ?? "")?.[0];
        return code;
      },
      { interval: 100 },
    )
    .toBeDefined();
  return code ?? "";
}

/** One person at one screen. */
class Visitor {
  readonly page: Page;
  readonly email = `visitor-${randomBytes(6).toString("hex")}@example.com`;
  readonly #album: string;
  #shots = 0;

  constructor(page: Page, album: string) {
    this.page = page;
    this.#album = album;
  }

  async shoot(what: string): Promise<void> {
    this.#shots += 1;
    await saveScreenshot(this.page, `${this.#album}-${String(this.#shots).padStart(2, "0")}-${what}`);
    // Nothing may stick out sideways: a page that scrolls sideways on a phone is broken.
    const wide = await this.page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(wide, `${what} is wider than its screen`).toBeLessThanOrEqual(0);
    expect(await this.page.evaluate(brokenLabels), `${what} breaks a word in two`).toEqual([]);
  }

  async fillCart(product: string): Promise<void> {
    await this.page.goto(urls.shop);
    await this.shoot("shop");
    await press(this.page, `Add to cart: ${product}`);
    await this.shoot("cart");
  }

  async signUp(): Promise<void> {
    await this.shoot("sign-in");
    await this.page.getByRole("link", { name: "New here? Create a wallet" }).click();
    await fill(this.page, "Email", this.email);
    await fill(this.page, "Name", "Ada Example");
    await this.shoot("sign-up");
    await press(this.page, "Sign up");
    await this.shoot("code");
    await fill(this.page, "Code", await codeFor(this.email));
    await press(this.page, "Sign in");
  }

  async enrol(bank: string, customer = "customer1@example.com"): Promise<void> {
    await press(this.page, `Add ${bank}`);
    await this.shoot("bank-sign-in");
    await fill(this.page, "Email", customer);
    await fill(this.page, "Password", "demo-password");
    await press(this.page, "Sign in");
    await this.shoot("bank-consent");
    await press(this.page, "Allow");
  }
}

async function visit(
  screen: Screen,
  album: string,
  options: { script?: boolean; dark?: boolean } = {},
): Promise<Visitor> {
  const { page } = await openWindow(browser, { screen, ...options });
  return new Visitor(page, album);
}

async function orderAtShop(page: Page): Promise<Record<string, unknown>> {
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  const answer = await call("GET", `${urls.shop}/api/orders/${id}`, { headers: { "x-api-key": "demo-merchant-key" } });
  return answer.body;
}

describe("a person at the demo shop", () => {
  it.each([
    { screen: "desktop", script: true, bank: "North Bank", bankId: "north-bank" },
    { screen: "phone", script: false, bank: "Maple Credit Union", bankId: "maple-bank" },
  ] as const)(
    "signs up, enrols $bank and pays on a $screen (script: $script), and the receipt names the bank",
    async ({ screen, script, bank, bankId }) => {
      const visitor = await visit(screen, `checkout-${screen}`, { script });
      const { page } = visitor;
      await visitor.fillCart("Enamel mug");
      await press(page, "Pay with Wallet");
      await visitor.signUp();
      await visitor.shoot("no-cards");
      await visitor.enrol(bank);
      await page.getByRole("heading", { name: "Choose a card" }).waitFor();
      expect(await page.locator("main").textContent()).toContain("$16.00");
      await visitor.shoot("cards");
      await press(page, "Authorize");
      await page.getByRole("heading", { name: "Thank you" }).waitFor();
      expect(await page.locator("main").textContent()).toContain(`${bank} approved $16.00`);
      await visitor.shoot("receipt");
      expect(await orderAtShop(page)).toMatchObject({ state: "authorized", bankId, bankName: bank, amount: 16 });

      await fill(page, "Amount to capture", "12.50");
      await press(page, "Capture");
      await page.getByRole("heading", { name: "Paid" }).waitFor();
      await fill(page, "Amount to refund", "2.50");
      await press(page, "Refund");
      await visitor.shoot("refunded");
      expect(await orderAtShop(page)).toMatchObject({ state: "captured", capturedAmount: 12.5, refundedAmount: 2.5 });
      await page.getByRole("link", { name: "Orders" }).click();
      await visitor.shoot("orders");
      await page.context().close();
    },
    journeyTimeoutMs,
  );

  it(
    "cancels at the wallet and is told that nothing was charged",
    async () => {
      const visitor = await visit("phone", "cancel-phone", { dark: true });
      await visitor.fillCart("Maple syrup");
      await press(visitor.page, "Pay with Wallet");
      await press(visitor.page, "Cancel");
      await visitor.page.getByRole("heading", { name: "Payment cancelled" }).waitFor();
      await visitor.shoot("cancelled");
      expect(await orderAtShop(visitor.page)).toMatchObject({ state: "cancelled" });
      await visitor.page.context().close();
    },
    journeyTimeoutMs,
  );

  it(
    "says no at the bank, comes back to the payment, and pays with another bank",
    async () => {
      const visitor = await visit("phone", "deny-phone", { dark: true });
      const { page } = visitor;
      await visitor.fillCart("Maple syrup");
      await press(page, "Pay with Wallet");
      await visitor.signUp();
      await press(page, "Add North Bank");
      await fill(page, "Email", "customer2@example.com");
      await fill(page, "Password", "demo-password");
      await press(page, "Sign in");
      await press(page, "Deny");
      await page.getByText("You did not allow it at the bank. Nothing was added.").waitFor();
      await visitor.shoot("denied");
      await visitor.enrol("Maple Credit Union", "customer2@example.com");
      await visitor.shoot("cards");
      await press(page, "Authorize");
      await page.getByText("Maple Credit Union approved $18.50").waitFor();
      await visitor.shoot("receipt");
      await page.context().close();
    },
    journeyTimeoutMs,
  );

  it(
    "authorizes by keyboard alone, with cards of two banks in one wallet",
    async () => {
      const visitor = await visit("desktop", "keyboard");
      const { page } = visitor;
      await page.goto(`${urls.gateway}/login?with=sign-up`);
      await fill(page, "Email", visitor.email);
      await fill(page, "Name", "Ada Example");
      await page.keyboard.press("Enter");
      await fill(page, "Code", await codeFor(visitor.email));
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Hello, Ada Example" }).waitFor();
      await visitor.enrol("North Bank");
      await visitor.enrol("Maple Credit Union");
      await visitor.shoot("wallet");
      await visitor.fillCart("Wool toque");
      await press(page, "Pay with Wallet");
      await page.getByRole("radio").first().focus();
      await page.keyboard.press("ArrowDown");
      const chosen = await page.locator("label.choice:has(input:checked)").textContent();
      await visitor.shoot("cards");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Thank you" }).waitFor();
      const bank = chosen?.includes("North Bank") ? "North Bank" : "Maple Credit Union";
      expect(await page.locator("main").textContent()).toContain(`${bank} approved $34.99`);
      await press(page, "Void");
      await page.getByRole("heading", { name: "Payment voided" }).waitFor();
      await page.context().close();
    },
    journeyTimeoutMs,
  );
});

describe("a payment straight from a bank account", () => {
  it(
    "is approved at the bank the person chose, without a wallet",
    async () => {
      const visitor = await visit("phone", "direct-phone");
      const { page } = visitor;
      await visitor.fillCart("Enamel mug");
      await press(page, "Pay from North Bank");
      await fill(page, "Email", "customer1@example.com");
      await fill(page, "Password", "demo-password");
      await press(page, "Sign in");
      await visitor.shoot("bank-consent");
      await press(page, "Allow");
      await page.getByText("North Bank approved $16.00").waitFor();
      await visitor.shoot("receipt");
      expect(await orderAtShop(page)).toMatchObject({ state: "authorized", method: "bank", bankId: "north-bank" });
      await page.context().close();
    },
    journeyTimeoutMs,
  );
});

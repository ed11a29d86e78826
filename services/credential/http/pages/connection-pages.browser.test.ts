import sparticuz from "@sparticuz/chromium";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPagesWorld, type PagesWorld } from "../../testing/pages-world.ts";
import { untilHistory } from "../../testing/plaid-world.ts";

let world: PagesWorld;
let browser: Browser;

beforeAll(async () => {
  world = await createPagesWorld();
  browser = await chromium.launch({
    executablePath: await sparticuz.executablePath(),
    args: sparticuz.args,
    headless: true,
  });
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** A browser without scripts, signed in as somebody new. */
async function openPage(viewport: { width: number; height: number }, colorScheme: "light" | "dark") {
  const user = `user-${crypto.randomUUID()}`;
  const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: false });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(world.signInUrl(user));
  await page.goto(`${world.origin}/connections`);
  return { page, user };
}

async function shoot(page: Page, name: string) {
  const directory = process.env["SCREENSHOTS"];
  if (directory !== undefined) await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true });
}

/** What there is to press, with its height and its right end; in one question, since each costs a round trip to the browser. */
const measure = `[...document.querySelectorAll("main :is(button, a.button, input:not([type=checkbox], [type=hidden]))")]
  .filter((element) => element.getClientRects().length > 0)
  .map((element) => ({ box: element.getBoundingClientRect(), name: element.textContent }))
  .map(({ box, name }) => ({ name, height: box.height, right: box.right }))`;

/** Nothing is wider than the window, and everything to press is large enough for a thumb. */
async function expectToFit(page: Page, width: number) {
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
  const pressed: readonly { name: string; height: number; right: number }[] = await page.evaluate(measure);
  expect(pressed.length).toBeGreaterThan(0);
  for (const { name, height, right } of pressed) {
    expect(height, name).toBeGreaterThanOrEqual(40);
    expect(right, name).toBeLessThanOrEqual(width);
  }
}

/** Names, descriptions and amounts as long as they come, in currencies of no and of three decimals, while `work` looks at them. */
async function withLongWords(user: string, work: () => Promise<void>): Promise<void> {
  const { query } = world.replica.deps.storage.db;
  const name =
    "The Cooperative Building Society of Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch & District";
  const rename = (institution_name: string) =>
    query.updateTable("connections").set({ institution_name }).where("user_id", "=", user).execute();
  const [{ institution_name: before = "" } = {}] = await query
    .selectFrom("connections")
    .select("institution_name")
    .where("user_id", "=", user)
    .execute();
  await rename(name);
  const [account] = await query.selectFrom("provider_accounts").selectAll().where("user_id", "=", user).execute();
  const [line] = await query.selectFrom("provider_transactions").selectAll().where("user_id", "=", user).execute();
  if (account === undefined || line === undefined) throw new Error("nothing was fetched");
  for (const [currency, minor] of [
    ["KWD", 1_234_567_891n],
    ["JPY", 1_234_567_891n],
  ] as const) {
    const ofAccount = { account_id: currency, display_name: `${name} ${currency}`, currency, balance_minor: minor };
    await query
      .insertInto("provider_accounts")
      .values({ ...account, ...ofAccount, position: 90 })
      .execute();
    const ofLine = { transaction_id: currency, account_id: currency, currency, amount_minor: -minor };
    const told = { description: "X".repeat(90), status: "pending" as const, posted_at: new Date() };
    await query
      .insertInto("provider_transactions")
      .values({ ...line, ...ofLine, ...told })
      .execute();
  }
  await work();
  for (const table of ["provider_accounts", "provider_transactions"] as const) {
    await query.deleteFrom(table).where("user_id", "=", user).where("account_id", "in", ["KWD", "JPY"]).execute();
  }
  await rename(before);
}

async function signInAtPlaid(page: Page) {
  await page.getByLabel("User name").fill("user_good");
  await page.getByLabel("Password").fill("pass_good");
  await page.getByRole("button", { name: "Sign in" }).click();
}

describe.each([
  ["phone", { width: 390, height: 844 }, "light"],
  ["phone", { width: 390, height: 844 }, "dark"],
  ["desktop", { width: 1280, height: 900 }, "light"],
] as const)("on a %s", (name, viewport, scheme) => {
  it("connects, looks, and disconnects without scripts, by labels and buttons", async () => {
    const { page, user } = await openPage(viewport, scheme);
    const shot = (what: string) => shoot(page, `${name}-${scheme}-${what}`);
    await expectToFit(page, viewport.width);
    await shot("list-empty");
    await page.getByRole("searchbox", { name: "Name of the bank or service" }).fill("gingham");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("button", { name: "Connect First Gingham Credit Union through Plaid" }).waitFor();
    expect(await page.getByRole("button", { name: /Platypus/ }).count()).toBe(0);
    await page.getByRole("button", { name: "Connect First Gingham Credit Union through Plaid" }).click();
    await signInAtPlaid(page);
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByRole("heading", { name: "First Gingham Credit Union" }).waitFor();
    await page.getByText("Connected. Accounts and transactions are being fetched.").waitFor();

    const [connection] = await world.replica.deps.storage.db.query
      .selectFrom("connections")
      .select("provider_reference")
      .where("user_id", "=", user)
      .execute();
    await untilHistory(world.plaid, connection?.provider_reference ?? "");
    await world.sync();
    await page.goto(page.url().split("?")[0] ?? "");
    await expectToFit(page, viewport.width);
    await shot("connection");
    if (viewport.width < 500 && scheme === "light")
      await withLongWords(user, async () => {
        await page.reload();
        await expectToFit(page, viewport.width);
        await shot("connection-long");
        await page.goto(`${world.origin}/connections`);
        await expectToFit(page, viewport.width);
        await shot("list-long");
        await page.goBack();
      });
    await page.reload();
    await page.getByRole("link", { name: "Older transactions" }).click();
    await page.getByRole("link", { name: "Disconnect" }).click();
    await expectToFit(page, viewport.width);
    await shot("disconnect");
    await page.goto(`${world.origin}/connections`);
    await shot("list");
    await page.getByRole("link", { name: "Open First Gingham Credit Union" }).click();
    await page.getByRole("link", { name: "Disconnect" }).click();
    await page.getByRole("button", { name: "Disconnect First Gingham Credit Union" }).click();
    await page.getByText("Plaid has confirmed that your consent is over.").waitFor();
    await shot("disconnected");
    await page.goto(`${world.origin}/connections/erase`);
    await page.getByRole("checkbox", { name: /I want everything erased/ }).check();
    await shot("erase");
    await page.getByRole("button", { name: "Erase everything" }).click();
    await page.getByRole("heading", { name: "Erased" }).waitFor();
    await shot("erased");
  });
});

describe("by keyboard alone", () => {
  it("skips to the content and begins a consent", async () => {
    const { page } = await openPage({ width: 1280, height: 900 }, "light");
    await page.keyboard.press("Tab");
    await page.getByRole("link", { name: "Skip to content" }).and(page.locator(":focus")).waitFor();
    await page.keyboard.press("Enter");
    const target = page.getByRole("button", { name: "Connect First Platypus Bank through Plaid" });
    for (let presses = 0; presses < 30 && !(await isFocused(page, target)); presses += 1)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByLabel("User name").waitFor();
  });
});

async function isFocused(page: Page, locator: ReturnType<Page["locator"]>): Promise<boolean> {
  return (await page.locator(":focus").count()) > 0 && (await locator.and(page.locator(":focus")).count()) === 1;
}

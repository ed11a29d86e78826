import { mkdir } from "node:fs/promises";
import path from "node:path";
import chromium from "@sparticuz/chromium";
import { type Browser, type BrowserContext, type Page, chromium as playwright } from "playwright-core";

const screenshotDirectory = path.join(import.meta.dirname, "../../.local/screenshots");
const actionTimeoutMs = 15_000;

/** A kind of screen. */
export type Screen = "desktop" | "phone";

/** A real browser from npm alone; whoever launches it closes it. */
export async function launchBrowser(): Promise<Browser> {
  // The package's own flags put all in one process and turn web security off; the tests want neither. Root has no sandbox.
  return playwright.launch({ executablePath: await chromium.executablePath(), args: ["--no-sandbox"], headless: true });
}

/** A private window of that size, with scripts or without. */
export async function openWindow(
  browser: Browser,
  options: { readonly screen: Screen; readonly script?: boolean; readonly dark?: boolean },
): Promise<{ context: BrowserContext; page: Page }> {
  const phone = options.screen === "phone";
  const context = await browser.newContext({
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 860 },
    isMobile: phone,
    hasTouch: phone,
    javaScriptEnabled: options.script ?? true,
    colorScheme: options.dark === true ? "dark" : "light",
  });
  context.setDefaultTimeout(actionTimeoutMs);
  return { context, page: await context.newPage() };
}

/** Saves what is on the screen under `.local/screenshots/<name>.png`, for people to look at. */
export async function saveScreenshot(page: Page, name: string): Promise<void> {
  await mkdir(screenshotDirectory, { recursive: true });
  await page.screenshot({ path: path.join(screenshotDirectory, `${name}.png`), fullPage: true });
}

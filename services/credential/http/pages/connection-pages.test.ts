import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Fetched, FormBrowser, formsOf, plainText } from "../../../platform/testing/form-browser.ts";
import { createPagesWorld, type PagesWorld } from "../../testing/pages-world.ts";
import { untilHistory } from "../../testing/plaid-world.ts";

let world: PagesWorld;
let browser: FormBrowser;
let user: string;

beforeAll(async () => {
  world = await createPagesWorld();
});
afterAll(() => world?.close());
beforeEach(async () => {
  ({ browser, user } = await person());
});

async function person(): Promise<{ browser: FormBrowser; user: string }> {
  const name = `user-${crypto.randomUUID()}`;
  const visitor = new FormBrowser();
  await visitor.open(world.signInUrl(name));
  return { browser: visitor, user: name };
}

const list = () => browser.open(`${world.origin}/connections`);
const connectPlatypus = "Connect First Platypus Bank through Plaid";

/** Connects from the list, as a person does; the page it ends at. */
async function connect(page?: Fetched, button = connectPlatypus): Promise<Fetched> {
  const bank = await browser.press(page ?? (await list()), button);
  const consent = await browser.press(bank, "Sign in", { "User name": "user_good", Password: "pass_good" });
  return await browser.press(consent, "Allow");
}

const pathOf = (page: Fetched) => new URL(page.url).pathname;

/** Fetches everything the provider has. */
async function fetchAll(): Promise<void> {
  const [connection] = await connections();
  await untilHistory(world.plaid, connection?.provider_reference ?? "");
  await world.sync();
}

async function connections() {
  return await world.replica.deps.storage.db.query
    .selectFrom("connections")
    .selectAll()
    .where("user_id", "=", user)
    .execute();
}

describe("a person at the pages of connections", () => {
  it("connects a bank at its provider, sees accounts and transactions, and disconnects", async () => {
    const before = await list();
    expect(plainText(before.text)).toContain("Through Plaid");
    // Banks that know cards are the wallet's, not these pages'.
    expect(plainText(before.text)).not.toContain("north-bank");
    const connected = await connect(before);
    expect(pathOf(connected)).toMatch(/^\/connections\/[0-9a-f-]{36}$/);
    expect(plainText(connected.text)).toContain("Connected. Accounts and transactions are being fetched.");
    expect(plainText(connected.text)).toMatch(/First Platypus Bank Connected Through Plaid/);
    expect(plainText(connected.text)).toContain("Being fetched for the first time, which may take a few minutes.");
    await fetchAll();
    const shown = await browser.open(`${world.origin}${pathOf(connected)}`);
    const words = plainText(shown.text);
    expect(words).not.toContain("still getting them ready");
    expect(words).toMatch(/Everyday Checking checking · \*{4}\d{4} US\$/);
    expect(words).toMatch(/Transactions Up to date as of [^.]+ UTC \. They begin on [^.]+\d{4}\./);
    expect(words).toMatch(/Accounts and transactions fetched after you connected .* new done/);
    expect(words).toContain("Secret stored, sealed, from a browser");

    const question = await browser.open(`${world.origin}${pathOf(connected)}/disconnect`);
    expect(plainText(question.text)).toContain("Disconnect First Platypus Bank?");
    const gone = await browser.press(question, "Disconnect First Platypus Bank");
    expect(plainText(gone.text)).toContain("Plaid has confirmed that your consent is over.");
    expect((await list()).text).not.toContain("Open First Platypus Bank");
    expect((await browser.open(`${world.origin}${pathOf(connected)}`)).status).toBe(404);
  });

  it("is told that the provider has yet to get transactions ready, not that there are none", async () => {
    const connected = await connect();
    await fetchAll();
    // As Plaid answers until it has the first month: no lines, and no cursor.
    const { query } = world.replica.deps.storage.db;
    await query.deleteFrom("provider_transactions").where("user_id", "=", user).execute();
    await query.updateTable("sync_states").set({ cursor: "" }).where("user_id", "=", user).execute();
    const words = plainText((await browser.open(`${world.origin}${pathOf(connected)}`)).text);
    expect(words).toContain("Transactions The provider is still getting them ready.");
    expect(words).not.toMatch(/Up to date|There are no transactions/);
  });

  it("pages the transactions of one account, each shown once", async () => {
    const connected = await connect();
    await fetchAll();
    const here = `${world.origin}${pathOf(connected)}`;
    const stored = await world.replica.deps.storage.db.query
      .selectFrom("provider_transactions")
      .select("account_id")
      .where("user_id", "=", user)
      .execute();
    const busiest = mostFrequent(stored.map((row) => row.account_id));
    const count = stored.filter((row) => row.account_id === busiest).length;
    let page = await browser.open(`${here}?account=${busiest}`);
    let seen = transactionsOn(page);
    for (let older = olderLink(page); older !== undefined; older = olderLink(page)) {
      page = await browser.open(new URL(older, here).href);
      seen += transactionsOn(page);
    }
    expect(seen).toBe(count);
    expect(count).toBeGreaterThan(25);
  });

  it("asks for a run, and sees it queued and then done", async () => {
    const connected = await connect();
    await fetchAll();
    const asked = await browser.press(await browser.open(`${world.origin}${pathOf(connected)}`), "Sync now");
    expect(plainText(asked.text)).toContain("Fetching now · Look again");
    expect(plainText(asked.text)).toMatch(/fetched when you asked .* waiting/);
    await world.sync();
    const after = await browser.open(`${world.origin}${pathOf(connected)}`);
    expect(plainText(after.text)).not.toContain("Fetching now");
    expect(plainText(after.text)).toMatch(/fetched when you asked .* done/);
  });

  it("is told when consent has ended, connects again, and keeps the connection", async () => {
    const connected = await connect();
    const [connection] = await connections();
    const { deps } = world.replica;
    await deps.storage.db.query
      .updateTable("connections")
      .set({ state: "EXPIRED", state_reason: "consent_ended" })
      .where("user_id", "=", user)
      .execute();
    const shown = await list();
    expect(plainText(shown.text)).toContain("Your consent has ended at the provider.");
    const again = await connect(shown, "Connect again: First Platypus Bank");
    expect(pathOf(again)).toBe(pathOf(connected));
    expect(plainText((await list()).text)).not.toContain("has ended");
    expect((await connections()).map((row) => row.connection_id)).toEqual([connection?.connection_id]);
  });

  it("refuses at the provider, and is told so", async () => {
    const bank = await browser.press(await list(), connectPlatypus);
    const consent = await browser.press(bank, "Sign in", { "User name": "user_good", Password: "pass_good" });
    const refused = await browser.press(consent, "Cancel");
    expect(plainText(refused.text)).toContain("You did not allow it at the provider. Nothing was connected.");
    expect(await connections()).toEqual([]);
  });

  it("has everything erased, once he says that he wants it, and is shown what went", async () => {
    const connected = await connect();
    await fetchAll();
    const question = await browser.press(await browser.open(`${world.origin}/connections/erase`), "Erase everything");
    expect(question.status).toBe(400);
    expect(await connections()).toHaveLength(1);
    const report = await browser.submit(question, "/connections/erase", { understood: "yes" });
    expect(plainText(report.text)).toMatch(
      /Erased Everything .* is gone\. .* Connections 1 Accounts 3 Transactions \d+/,
    );
    expect(plainText(report.text)).toMatch(/Keys destroyed 1/);
    expect(await connections()).toEqual([]);
    expect((await browser.open(`${world.origin}${pathOf(connected)}`)).status).toBe(404);
  });

  it("finds an institution by name", async () => {
    const found = plainText((await browser.open(`${world.origin}/connections?search=gingham+first`)).text);
    expect(found).toContain("First Gingham");
    expect(found).not.toContain("Platypus");
    const none = await browser.open(`${world.origin}/connections?search=${encodeURIComponent('"><b>nobody')}`);
    expect(plainText(none.text)).toContain("Nothing of that name.");
    expect(none.text).not.toContain("<b>nobody");
  });
});

describe("a consent begun at these pages", () => {
  /** The address with which a browser comes back from the provider, as its person allowed it there. */
  async function comeBack(): Promise<string> {
    const bank = await browser.press(await list(), connectPlatypus);
    const consent = await browser.press(bank, "Sign in", { "User name": "user_good", Password: "pass_good" });
    const isBack = (location: string) => location.startsWith(`${world.origin}/api/connectors/`);
    return (await browser.press(consent, "Allow", {}, isBack)).url;
  }
  const alerts = async () =>
    (
      await world.replica.deps.storage.db.query
        .selectFrom("audit_entries")
        .select("outcome")
        .where("action", "=", "security_alert")
        .where("outcome", "=", "other_browser")
        .execute()
    ).length;

  it("ends in the browser that began it alone: a victim's gives the attacker nothing, and is told so", async () => {
    const before = await alerts();
    const back = await comeBack();
    const victim = await person();
    const shown = await victim.browser.open(back);
    expect(plainText(shown.text)).toContain("This was started in another browser, so nothing was connected.");
    expect(await connections()).toEqual([]);
    expect(await alerts()).toBe(before + 1);
    const cookies = { headers: { cookie: `connections.consent=${"a".repeat(43)}.${"b".repeat(43)}` } };
    const forged = await fetch(back, { redirect: "manual", ...cookies });
    expect(forged.headers.get("location")).toContain("error=invalid_session");
    // Untouched by all that, it ends where it began.
    expect(pathOf(await browser.open(back))).toMatch(/^\/connections\/[0-9a-f-]{36}$/);
    expect(await connections()).toHaveLength(1);
  });

  it("comes once more by itself where the provider's page posted it, since such a post carries no cookies", async () => {
    const back = new URL(await comeBack());
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = back.searchParams.toString();
    const posted = await fetch(`${back.origin}${back.pathname}`, { method: "POST", headers, body, redirect: "manual" });
    expect([posted.status, posted.headers.get("location")]).toEqual([303, `${back.pathname}?${body}`]);
    expect(await connections()).toEqual([]);
    expect(pathOf(await browser.open(`${world.origin}${posted.headers.get("location")}`))).toMatch(/^\/connections\//);
  });

  it("marks the browser as its person's, with a cookie scripts cannot read, and replaces a mark that is not", async () => {
    await comeBack();
    const mark = browser.cookie("connections.consent");
    await comeBack();
    expect(browser.cookie("connections.consent")).toBe(mark);
    await browser.open(world.signInUrl(`user-${crypto.randomUUID()}`));
    await comeBack();
    expect(browser.cookie("connections.consent")).not.toBe(mark);
    const form = formsOf((await list()).text).find((each) => each.action === "/connections/start");
    const names = ["wsim.sid", "connections.csrf"] as const;
    const started = await fetch(`${world.origin}/connections/start`, {
      method: "POST",
      redirect: "manual",
      headers: { cookie: names.map((name) => `${name}=${browser.cookie(name)}`).join("; ") },
      body: new URLSearchParams(form?.values ?? {}),
    });
    expect(started.status).toBe(303);
    expect(started.headers.get("set-cookie")).toMatch(
      /^connections\.consent=[\w-]{43}\.[\w-]{43}; Max-Age=14400; Path=\/; HttpOnly; SameSite=Lax$/,
    );
  });
});

describe("the pages refuse", () => {
  it("whoever is not signed in", async () => {
    const stranger = new FormBrowser();
    for (const path of ["/connections", `/connections/${crypto.randomUUID()}`, "/connections/done?error=x"]) {
      expect((await stranger.open(`${world.origin}${path}`)).url).toBe(`${world.origin}/login?next=/connections`);
    }
    const posted = await stranger.open(`${world.origin}/connections/start`, {
      method: "POST",
      body: new URLSearchParams(),
    });
    expect(posted.url).toBe(`${world.origin}/login?next=/connections`);
  });

  it("another person's connection, as one that nobody has", async () => {
    const connected = await connect();
    const path = pathOf(connected);
    const other = await person();
    const foreign = await other.browser.open(`${world.origin}${path}`);
    const unknown = await other.browser.open(`${world.origin}/connections/${crypto.randomUUID()}`);
    expect([foreign.status, unknown.status]).toEqual([404, 404]);
    expect(plainText(foreign.text)).toContain("You have no such connection.");
    expect(foreign.text).toContain('href="/connections"');
    const withoutReference = (page: Fetched) => plainText(page.text).replace(/Reference .*/, "");
    expect(withoutReference(foreign)).toBe(withoutReference(unknown));
    // A form of his own, aimed at it.
    const own = formsOf((await other.browser.open(`${world.origin}/connections`)).text)[0]?.values["_csrf"] ?? "";
    for (const act of ["sync", "refresh", "disconnect"]) {
      const body = new URLSearchParams({ _csrf: own });
      const answer = await other.browser.open(`${world.origin}${path}/${act}`, { method: "POST", body });
      expect(answer.status, act).toBe(404);
    }
    expect((await connections())[0]?.state).toBe("ACTIVE");
  });

  it("a form without its token, or with another person's of the same browser", async () => {
    const connected = await connect();
    const url = `${world.origin}${pathOf(connected)}/disconnect`;
    const bare = await browser.open(url, { method: "POST", body: new URLSearchParams() });
    expect(bare.status).toBe(403);
    const question = await browser.open(url);
    await browser.open(world.signInUrl(`user-${crypto.randomUUID()}`));
    expect((await browser.press(question, "Disconnect First Platypus Bank")).status).toBe(403);
    expect((await connections())[0]?.state).toBe("ACTIVE");
  });

  it("connectors that are the wallet's or nobody's, and made-up page tokens", async () => {
    const token = formsOf((await list()).text)[0]?.values["_csrf"] ?? "";
    for (const connector of ["bsim", "nobody"]) {
      const body = new URLSearchParams({ _csrf: token, connector, institutionId: "north-bank" });
      const answer = await browser.open(`${world.origin}/connections/start`, { method: "POST", body });
      expect(answer.status).toBe(502);
      expect(plainText(answer.text)).toContain("This is not offered here any more.");
    }
    const connected = await connect();
    for (const query of ["page=made-up", "account=of-another"]) {
      expect((await browser.open(`${world.origin}${pathOf(connected)}?${query}`)).status, query).toBe(400);
    }
  });

  it("to show a connection of a bank that knows cards", async () => {
    await world.replica.deps.storage.db.query
      .updateTable("connections")
      .set({ connector: "bsim" })
      .where("connection_id", "=", pathOf(await connect()).slice("/connections/".length))
      .execute();
    const [connection] = await connections();
    expect((await browser.open(`${world.origin}/connections/${connection?.connection_id}`)).status).toBe(404);
    expect((await list()).text).not.toContain('aria-label="Open ');
  });
});

describe("while a provider is down", () => {
  it("the list still comes, starting says so, and accounts are those of last time", async () => {
    const connected = await connect();
    await fetchAll();
    world.world.clock.advance(20 * 60_000);
    await world.plaid.control("POST", "/faults", { path: "*", times: 50, kind: "server_error", status: 503 });
    try {
      const shown = plainText((await browser.open(`${world.origin}${pathOf(connected)}`)).text);
      expect(shown).toMatch(/Everyday Checking .* US\$/);
      const page = await list();
      expect(plainText(page.text)).toContain("Plaid cannot list its banks right now.");
      const started = await browser.press(page, "Choose at Plaid");
      expect(started.status).toBe(502);
      expect(plainText(started.text)).toContain("The provider cannot be reached right now.");
    } finally {
      await world.plaid.control("DELETE", "/faults");
    }
    // A failure is forgotten soon.
    world.world.clock.advance(31_000);
    expect(plainText((await list()).text)).not.toContain("cannot list its banks");
  });

  it("no page holds a secret or a provider's token", async () => {
    const connected = await connect();
    await fetchAll();
    const shown = await browser.open(`${world.origin}${pathOf(connected)}`);
    const [connection] = await connections();
    expect(shown.text).not.toContain(connection?.provider_reference ?? "?");
    expect(shown.text).not.toMatch(/access-(sandbox|production)-|link-sandbox-|public-sandbox-/);
    expect(shown.headers.get("cache-control")).toBe("no-store");
    expect(shown.headers.get("content-security-policy")).toContain("default-src 'none'");
  });
});

function mostFrequent(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1])[0]?.[0] ?? "";
}

function transactionsOn(page: Fetched): number {
  const section = /id="transactions"[\s\S]*?<\/section>/.exec(page.text)?.[0] ?? "";
  return [...section.matchAll(/<li>/g)].length;
}

function olderLink(page: Fetched): string | undefined {
  return /href="([^"]*)">Older transactions/.exec(page.text)?.[1]?.replaceAll("&amp;", "&");
}

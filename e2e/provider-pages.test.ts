import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Mailbox } from "../deploy/local/demo/mailbox.ts";
import { rowsAt } from "../deploy/local/throwaway-database.ts";
import { type Fetched, FormBrowser, formsOf, plainText } from "../services/platform/testing/form-browser.ts";
import { eventually } from "./harness/phone.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls, databaseUrl } = sharedMesh();

/** A person's way through one provider, and where its stand-in keeps what he did there. */
interface Way {
  readonly connector: string;
  /** As people read it. */
  readonly provider: string;
  readonly institution: string;
  readonly user: string;
  readonly password: string;
  /** Its tokens are renewed by the button for it; elsewhere a connection has none of its own to renew. */
  readonly renews: boolean;
  /** What the stand-in has of the connection with this reference: `alive`, and how often its tokens were renewed. */
  readonly kept: (reference: string) => string;
}

const ways: readonly Way[] = [
  {
    connector: "truelayer",
    provider: "TrueLayer",
    institution: "Thames & Tyne Bank",
    user: "priya",
    password: "shah",
    renews: true,
    kept: (reference) =>
      `select state = 'active' as alive, refresh_count as renewals from sandbox_truelayer.connections
        where credentials_id = '${reference}'`,
  },
  {
    connector: "plaid",
    provider: "Plaid",
    institution: "First Gingham Credit Union",
    user: "user_good",
    password: "pass_good",
    renews: false,
    kept: (reference) =>
      `select state = 'active' as alive, 0 as renewals from sandbox_plaid.items where item_id = '${reference}'`,
  },
  {
    connector: "mastercard",
    provider: "Mastercard Open Finance",
    institution: "FinBank",
    user: "riley",
    password: "go",
    renews: false,
    kept: (reference) =>
      `select removed_at is null as alive, 0 as renewals from sandbox_mastercard.institution_logins
        where customer_id = ${reference}`,
  },
  {
    connector: "basiq",
    provider: "Basiq",
    institution: "Hooli Bank",
    user: "gavinBelson",
    password: "hooli2016",
    renews: false,
    kept: (reference) =>
      `select count(*) > 0 as alive, 0 as renewals from sandbox_basiq.connections where user_id = '${reference}'`,
  },
  {
    connector: "wise",
    provider: "Wise",
    institution: "Wise",
    user: "mira",
    password: "kask",
    renews: true,
    // Wise ends no grant by its API: a disconnect spends the refresh token, and nobody has the next one.
    kept: (reference) =>
      `select state = 'active' as alive, refresh_count as renewals from sandbox_wise.grants
        where profile_id = ${reference} order by created_at desc limit 1`,
  },
];

/** A browser in which somebody new has signed up, at the list of his connections. */
async function signUp(): Promise<{ browser: FormBrowser; list: Fetched }> {
  const browser = new FormBrowser();
  const email = `people-${randomBytes(6).toString("hex")}@example.com`;
  const form = await browser.open(`${urls.gateway}/login/connections?with=sign-up`);
  const sent = await browser.press(form, "Sign up", { Email: email, Name: "Noor" });
  return {
    browser,
    list: await browser.press(sent, "Sign in", { Code: await new Mailbox(urls.mail, email).nextCode() }),
  };
}

/** Chooses the institution on the list, signs in at the provider, and allows; ends at the page of the connection. */
async function connect(browser: FormBrowser, list: Fetched, way: Way): Promise<Fetched> {
  const bank = await browser.press(list, `Connect ${way.institution} through ${way.provider}`);
  // A provider may ask once more which of several that are alike.
  const signIn = buttonsOf(bank).includes("Sign in") ? bank : await browser.press(bank, way.institution);
  const consent = await browser.press(signIn, "Sign in", { "User name": way.user, Password: way.password });
  const allow = buttonsOf(consent).find((name) => name.startsWith("Allow")) ?? "Allow";
  return await browser.press(consent, allow);
}

const buttonsOf = (page: Fetched) => formsOf(page.text).flatMap((form) => [...form.buttons.keys()]);

/** Looks at a page until it says what is waited for. */
async function untilSaid(browser: FormBrowser, url: string, words: RegExp): Promise<Fetched> {
  return await eventually(async () => {
    const page = await browser.open(url);
    return words.test(plainText(page.text)) ? page : undefined;
  });
}

/** A run that was asked for here, at its end. */
const doneOf = (run: string) => new RegExp(`${run} when you asked (?:(?! UTC).)+ UTC(?: · \\d+ \\w+)* done`);

/** What the service keeps of a connection. */
async function stored(connectionId: string) {
  const [row] = await rowsAt(
    databaseUrl,
    `select c.state, c.provider_reference, c.token_version::integer, coalesce(c.refresh_outcome, '') as refresh_outcome,
      (select count(*)::integer from credential.connection_secrets s where s.connection_id = c.connection_id) as secrets,
      (select count(*)::integer from credential.provider_transactions t where t.connection_id = c.connection_id) as lines,
      (select count(*)::integer from credential.sync_runs r where r.connection_id = c.connection_id
        and r.trigger = 'manual' and r.state = 'succeeded') as runs
      from credential.connections c where c.connection_id = '${connectionId}'`,
  );
  return row as Readonly<Record<"state" | "provider_reference" | "refresh_outcome", string>> &
    Readonly<Record<"token_version" | "secrets" | "lines" | "runs", number>>; // as the statement says
}

async function atProvider(way: Way, reference: string) {
  const [row] = await rowsAt(databaseUrl, way.kept(reference));
  return row as { alive: boolean; renewals: number } | undefined; // as the statements say
}

describe.concurrent.each(ways)("a person at $provider, by the pages alone", (way) => {
  it("connects, sees accounts and transactions, presses each button, and disconnects", async () => {
    const { browser, list } = await signUp();
    const connected = await connect(browser, list, way);
    expect(plainText(connected.text)).toContain("Connected. Accounts and transactions are being fetched.");
    const here = connected.url.split("?")[0] ?? "";
    const connectionId = here.split("/").at(-1) ?? "";
    const shown = await untilSaid(
      browser,
      here,
      /Transactions Up to date as of [^.]*\. They begin on .* Older transactions/,
    );
    expect(plainText(shown.text)).toContain(`${way.institution} Connected Through ${way.provider}`);
    expect(shown.text.match(/\?account=[^"]*#transactions"/g)?.length).toBeGreaterThan(1);
    const before = await stored(connectionId);
    expect(before).toMatchObject({ state: "ACTIVE", runs: 0 });
    expect(before.lines).toBeGreaterThan(10);
    const there = await atProvider(way, before.provider_reference);
    expect(there).toMatchObject({ alive: true });

    // A run that the provider's webhook has just asked for is joined: then it is pressed once more.
    const synced = await eventually(async () => {
      const asked = await browser.press(shown, "Sync now");
      expect(plainText(asked.text)).toContain("Accounts and transactions are being fetched.");
      const over = await untilSaid(browser, here, /Transactions Up to date as of/);
      return doneOf("Accounts and transactions fetched").test(plainText(over.text)) ? over : undefined;
    });
    const fetched = await stored(connectionId);
    expect(fetched).toMatchObject({ state: "ACTIVE", token_version: before.token_version });
    expect(fetched.runs).toBeGreaterThan(0);
    expect(synced.text).toMatch(/id="transactions"[\s\S]*?<li>/);

    expect(buttonsOf(shown).includes("Refresh access")).toBe(way.renews);
    if (way.renews) {
      const renewing = await browser.press(shown, "Refresh access");
      expect(plainText(renewing.text)).toContain("Access is being renewed.");
      const renewed = await untilSaid(browser, here, doneOf("Access renewed"));
      expect(plainText(renewed.text)).toContain("Access renewed, by");
      const after = await stored(connectionId);
      expect(after).toMatchObject({ state: "ACTIVE", refresh_outcome: "refreshed", runs: fetched.runs + 1 });
      expect(after.token_version).toBe(before.token_version + 1);
      expect(await atProvider(way, before.provider_reference)).toMatchObject({ renewals: (there?.renewals ?? 0) + 1 });
    }

    const question = await browser.open(`${here}/disconnect`);
    const gone = await browser.press(question, `Disconnect ${way.institution}`);
    expect(plainText(gone.text)).toContain(`${way.provider} has confirmed that your consent is over.`);
    expect((await browser.open(here)).status).toBe(404);
    expect(await stored(connectionId)).toMatchObject({ state: "REVOKED", secrets: 0, lines: 0 });
    const left = await atProvider(way, before.provider_reference);
    if (way.connector === "wise") expect(left?.renewals).toBe((there?.renewals ?? 0) + 2);
    else expect(left?.alive ?? false).toBe(false);
  });
});

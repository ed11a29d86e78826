import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { createHttpServer } from "../http/create-http-server.ts";
import { parseCurrency } from "../money/currency.ts";
import { checkBrand, colorForId, contrastWithWhite } from "./brand.ts";
import { cardChoice, field, form, moneyText } from "./components.ts";
import { createCsrf } from "./csrf.ts";
import { html, raw } from "./html.ts";
import { page } from "./layout.ts";
import { pageHeaders } from "./security-headers.ts";

const brand = { id: "north-bank", name: "North Bank", color: "#0b5d5b" };
const evil = `"><script>alert('x')</script>&`;

describe("html", () => {
  it("escapes every value, in content and in attributes, and lists too", () => {
    const text = html`<p title="${evil}">${[evil, html`<b>${evil}</b>`]}</p>`.text;
    expect(text).not.toContain("<script>");
    expect(text).not.toContain(`""`);
    expect(text).toContain("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;");
    expect(text).toContain("<b>");
  });

  it("prints nothing for what is absent and takes marked text as it is", () => {
    expect(html`a${undefined}${null}${false}${true}b${0}${raw("<i>")}`.text).toBe("ab0<i>");
  });
});

describe("page", () => {
  it("carries the hash of exactly the style it contains", () => {
    const document = page({ title: "Sign in", brand, body: html`<h1>Sign in</h1>` });
    const css = /<style>([\s\S]*?)<\/style>/.exec(document.text)?.[1] ?? "";
    expect(document.styleSource).toBe(`'sha256-${createHash("sha256").update(css).digest("base64")}'`);
    expect(pageHeaders(document, "self")["content-security-policy"]).toContain(document.styleSource);
  });

  it("has no script, no inline style attribute and no address outside itself", () => {
    const text = page({
      title: evil,
      brand,
      body: cardChoice({
        name: "card",
        legend: evil,
        pick: "any",
        cards: [{ value: evil, cardType: evil, lastFour: evil }],
      }),
    }).text;
    expect(text).not.toMatch(/<script|\sstyle=|https?:/);
  });

  it("leaves form-action out only where the form ends at another origin", () => {
    const document = page({ title: "x", brand, body: html`` });
    expect(pageHeaders(document, "elsewhere")["content-security-policy"]).not.toContain("form-action");
    expect(pageHeaders(document, "self")["content-security-policy"]).toContain("form-action 'self'");
  });

  it("refuses a brand colour that white text cannot be read on", () => {
    expect(() => checkBrand({ ...brand, color: "#ffcc00" })).toThrow(RangeError);
    expect(() => checkBrand({ ...brand, color: "red;}" })).toThrow(RangeError);
    for (const id of ["north-bank", "maple-bank", "a", "zz", "td_bank", "q1"]) {
      expect(contrastWithWhite(colorForId(id))).toBeGreaterThanOrEqual(4.5);
    }
  });
});

describe("components", () => {
  it("ties label, hint and error to the field, and never sends a password back", () => {
    const text = field({
      name: "password",
      label: "Password",
      type: "password",
      value: "hunter2",
      hint: "h",
      error: "wrong",
    }).text;
    expect(text).toContain('<label for="field-password">Password</label>');
    expect(text).toContain('aria-describedby="field-password-hint field-password-error"');
    expect(text).toContain('aria-invalid="true"');
    expect(text).not.toContain("hunter2");
  });

  it("names a card by network and last four, once", () => {
    const text = cardChoice({
      name: "card",
      legend: "Cards",
      pick: "one",
      cards: [{ value: "c1", cardType: "MC", lastFour: "4444", checked: true }],
    }).text;
    expect(text).toContain("Mastercard");
    expect(text).toContain("ending in");
    expect(text.match(/4444/g)).toHaveLength(1);
    expect(text).toContain(" checked");
  });

  it("prints money exactly", () => {
    expect(moneyText(1234n, parseCurrency("CAD"))).toBe("$12.34");
    expect(moneyText(9_007_199_254_740_993n, parseCurrency("CAD"))).toBe("$90,071,992,547,409.93");
    expect(moneyText(1234n, parseCurrency("USD"))).toContain("US$");
  });
});

describe("createCsrf", () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function serve() {
    const app = createHttpServer({ service: "t", errorTable: {}, log: { info() {}, warn() {}, error() {} } });
    const csrf = createCsrf({ key: "k".repeat(32), siteId: "north-bank", secure: false });
    app.get("/form", async (request, reply) => {
      reply.type("text/html");
      return form({ action: "/act", csrf: csrf.token(request, reply, "act"), body: html`` }).text;
    });
    app.post("/act", async (request) => {
      csrf.verify(request, "act");
      return "done";
    });
    app.post("/other", async (request) => {
      csrf.verify(request, "other");
      return "done";
    });
    const origin = await app.listen({ host: "127.0.0.1", port: 0 });
    closing.push(() => app.close());
    const shown = await fetch(`${origin}/form`);
    const cookie = shown.headers.getSetCookie()[0] ?? "";
    const token = /name="_csrf" value="([^"]+)"/.exec(await shown.text())?.[1] ?? "";
    const post = (path: string, options: { cookie?: string; token?: string }) =>
      fetch(`${origin}${path}`, {
        method: "POST",
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          ...(options.cookie === undefined ? {} : { cookie: options.cookie }),
        },
        body: new URLSearchParams(options.token === undefined ? {} : { _csrf: options.token }),
      });
    return { cookie, token, post };
  }

  it("accepts the token of this browser and this form alone", async () => {
    const { cookie, token, post } = await serve();
    const mine = cookie.split(";", 1)[0] ?? "";
    expect((await post("/act", { cookie: mine, token })).status).toBe(200);
    expect((await post("/act", { cookie: mine })).status).toBe(403);
    expect((await post("/act", { token })).status).toBe(403);
    expect((await post("/other", { cookie: mine, token })).status).toBe(403);
    const another = `north-bank.csrf=${"A".repeat(43)}`;
    expect((await post("/act", { cookie: another, token })).status).toBe(403);
  });

  it("names its cookie after the site and hides it from scripts", async () => {
    const { cookie } = await serve();
    expect(cookie).toMatch(/^north-bank\.csrf=/);
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Lax");
  });
});

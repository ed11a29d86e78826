import { describe, expect, it } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import type { Grant } from "../connector.ts";
import type { TransactionPage } from "../provider-data.ts";
import type { ProviderHttp } from "../provider-http.ts";
import { writeCursor } from "./sync-cursor.ts";
import { accessOf, type MastercardWorld, must, startMastercardWorld } from "./testing/mastercard-world.ts";

let mc: MastercardWorld;
setUp(async () => {
  mc = await startMastercardWorld();
  return () => mc.close();
});

const last = (pages: readonly TransactionPage[]) => must(pages.at(-1));
const added = (pages: readonly TransactionPage[]) => pages.flatMap((page) => page.added);
const removed = (pages: readonly TransactionPage[]) => pages.flatMap((page) => page.removed);
const aggregate = (grant: Grant) => mc.sandbox.control("POST", `/customers/${grant.providerReference}/aggregate`);
const accountOf = async (grant: Grant, type: string) => {
  const accounts = await mc.accounts(grant.providerReference);
  return String(must(accounts.find((each) => each["type"] === type))["id"]);
};
const post = (accountId: string, posting: object) =>
  mc.sandbox.control("POST", `/accounts/${accountId}/transactions`, posting);

/** The provider with pages of forty, and what `change` makes of each. */
function smallPages(change: (text: string, page: number) => string = (text) => text): ProviderHttp {
  let pages = 0;
  return {
    ...mc.http,
    send: async (request, call) => {
      const answer = await mc.http.send({ ...request, url: request.url.replace("limit=500", "limit=40") }, call);
      if (!request.url.includes("/transactions?")) return answer;
      pages += 1;
      return { ...answer, text: change(answer.text, pages) };
    },
  };
}

describe("a run", () => {
  it("reads months page by page, each transaction once, with money out below zero", async () => {
    const grant = await mc.connect();
    const connector = mc.makeConnector({ http: smallPages() });
    const pages = await mc.sync(accessOf(grant), "", connector);
    expect(pages.length).toBeGreaterThan(2);
    const whole = await mc.sync(accessOf(grant));
    expect(added(pages).map((each) => each.transactionId)).toEqual(added(whole).map((each) => each.transactionId));
    expect(new Set(added(pages).map((each) => each.transactionId)).size).toBe(added(pages).length);
    const card = await accountOf(grant, "creditCard");
    const onCard = added(pages).filter((each) => each.accountId === card && each.category !== "Credit Card Payment");
    expect(onCard.filter((each) => each.amountMinor < 0n).length).toBeGreaterThan(onCard.length / 2);
    const pay = added(pages).filter((each) => each.accountId !== card && each.amountMinor > 100_000n);
    expect(pay.length).toBeGreaterThan(0);
  });

  it("brings what is new, and takes back shadows and pending ones that became others", async () => {
    const grant = await mc.connect();
    const checking = await accountOf(grant, "checking");
    const card = await accountOf(grant, "creditCard");
    const first = await mc.sync(accessOf(grant));
    mc.sandbox.clock.advance(60_000);
    mc.world.clock.advance(60_000);
    await post(checking, { amount: -12.34, description: "A book" });
    await post(card, { amount: 56.78, description: "A coat", pending: true });
    await aggregate(grant);
    const second = await mc.sync(accessOf(grant), last(first).nextCursor);
    const found = (description: string) => must(added(second).find((each) => each.description === description));
    expect(found("A book")).toMatchObject({ amountMinor: -1_234n, status: "posted", accountId: checking });
    expect(found("A coat")).toMatchObject({ amountMinor: -5_678n, status: "pending", accountId: card });
    expect(added(second).length).toBeLessThan(added(first).length);
    await mc.sandbox.control("POST", `/accounts/${checking}/shadow`, { count: 1 });
    mc.sandbox.clock.advance(30 * 3_600_000);
    mc.world.clock.advance(30 * 3_600_000);
    await aggregate(grant);
    const third = await mc.sync(accessOf(grant), last(second).nextCursor);
    expect(removed(third)).toContain(found("A book").transactionId);
    expect(removed(third)).toContain(found("A coat").transactionId);
    const posted = must(added(third).find((each) => each.description === "A coat"));
    expect(posted).toMatchObject({ status: "posted", amountMinor: -5_678n });
    await mc.sandbox.renew();
  });

  it("reads an account's past once its institution was asked, however late", async () => {
    await mc.sandbox.control("PATCH", "/settings", { firstAggregationSeconds: 86_400 });
    const { connector } = mc;
    const request = {
      institutionId: "",
      redirectUri: "http://127.0.0.1:65000/x",
      state: "s",
      userReference: "d1".repeat(32),
    };
    const begun = await connector.begin(request, mc.call());
    await mc.visit(begun.authUrl ?? "");
    const grant = await connector.complete({ ...request, iss: "", code: "complete", proofs: begun.proofs }, mc.call());
    // To be tried again soon, and not told as a run that found nothing.
    await expect(mc.sync(accessOf(grant))).rejects.toMatchObject({ failure: "unavailable" });
    await aggregate(grant);
    const readUntil = mc.world.clock.now().getTime();
    const another = writeCursor({ accounts: ["1"], readUntil, pending: [], run: undefined });
    const later = await mc.sync(accessOf(grant), another);
    const oldest = Math.min(...added(later).map((each) => each.postedAt.getTime()));
    expect((mc.world.clock.now().getTime() - oldest) / 86_400_000).toBeGreaterThan(120);
    await mc.sandbox.control("PATCH", "/settings", { firstAggregationSeconds: 0 });
  });

  it("begins again when places move while it reads", async () => {
    const grant = await mc.connect();
    const moving = smallPages((text, page) => (page === 2 ? text.replace(/"found":\d+/, '"found":9999') : text));
    const pages = await mc.sync(accessOf(grant), "", mc.makeConnector({ http: moving }));
    expect(pages[1]).toMatchObject({ restart: "run", added: [] });
  });

  it("fails over a page without an end, a status nobody knows and an amount that is none", async () => {
    const grant = await mc.connect();
    const failing = [
      (text: string) =>
        text
          .replace(/"moreAvailable":"false"/, '"moreAvailable":"true"')
          .replace(/"transactions":\[.*\]/, '"transactions":[]'),
      (text: string) => text.replace('"status":"active"', '"status":"new"'),
      (text: string) => text.replace(/"amount":-?[\d.]+/, '"amount":12.3456'),
    ];
    for (const change of failing) {
      const connector = mc.makeConnector({ http: smallPages(change) });
      await expect(mc.sync(accessOf(grant), "", connector)).rejects.toMatchObject({ failure: "unavailable" });
    }
  });

  it("begins at the beginning with a cursor of another release", async () => {
    const grant = await mc.connect();
    const [page] = await mc.sync(accessOf(grant), '{"v":0}').catch(() => []);
    expect(page?.restart).toBe("beginning");
  });
});

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import { recordsOf } from "../../sandbox/mastercard/testing/start-mastercard.ts";
import { type MastercardWorld, must, startMastercardWorld } from "../connectors/mastercard/testing/mastercard-world.ts";
import type { Owner } from "../domain/connection.ts";
import { beginConnect } from "../flows/begin-connect.ts";
import { sendClientEmail } from "../flows/client-links.ts";
import { completeConnect } from "../flows/complete-connect.ts";
import { disconnect } from "../flows/disconnect.ts";
import { eraseUser } from "../flows/erase-user.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import { sweepAttempts } from "../jobs/sweep-attempts.ts";
import { sweepRetention, sweepSyncs } from "../jobs/sweep-syncs.ts";
import { insertEmail } from "../storage/connect-email-store.ts";
import { userReference } from "../storage/user-reference.ts";
import { asFirm, asOperator, ownerNamed } from "../testing/credential-world.ts";
import { testCaller } from "../testing/plaid-world.ts";
import { connectTo } from "../webhooks/testing/webhook-world.ts";

const oauthBank = "170778";
const firm = asFirm("firm-one");
const otherFirm = asFirm("firm-two");
let mc: MastercardWorld;
let clientId: string;
setUp(async () => {
  mc = await startMastercardWorld();
  return () => mc.close();
});
beforeEach(() => {
  clientId = `client-${crypto.randomUUID()}`;
});

const api = () => mc.replica.gateway;
const client = () => api().getOpenBankingClient({ clientId }, firm);
const customer = async () => (await api().putClientCustomer({ clientId, type: "testing" }, firm)).customerId;

/** Connect's webhooks of a customer so far, one of a kind, in the order of a consent. */
async function webhooksUntil(customerId: string, types: readonly string[]) {
  const isOf = (type: string) => (each: { body: Record<string, unknown> }) =>
    each.body["customerId"] === customerId && each.body["eventType"] === type;
  await Promise.all(types.map((type) => expect.poll(() => mc.sandbox.receiver.received.some(isOf(type))).toBe(true)));
  return types.map((type) => must(mc.sandbox.receiver.received.findLast(isOf(type))));
}

async function syncAll(): Promise<void> {
  const { deps, refresher } = mc.replica;
  const parts = { deps, refresher, retentionDays: 730, holder: "holder-of-the-test" };
  await sweepSyncs(parts, new AbortController().signal);
}

/** How often Mastercard was asked until when a login is authorized. */
async function windowsAsked(): Promise<number> {
  const path = "/customers/institution-logins/:loginId/authorization-details";
  return recordsOf(await mc.sandbox.control("GET", `/calls?path=${encodeURIComponent(path)}`), "calls").length;
}

/** A client who has connected a login by a link, its data there. */
async function linked(institutionId = oauthBank): Promise<string> {
  const customerId = await customer();
  const { link } = await api().createConnectUrl({ clientId, redirectUri: "http://127.0.0.1:65000/back" }, firm);
  await mc.visit(link, { institutionId });
  await mc.sandbox.control("POST", `/customers/${customerId}/aggregate`);
  for (const webhook of await webhooksUntil(customerId, ["started", "added", "done"])) await mc.deliver(webhook);
  await syncAll();
  return customerId;
}

describe("a firm's client", () => {
  it("is one customer, however often and at once he is made, and another one at another firm", async () => {
    const [one, two] = await Promise.all([customer(), customer()]);
    expect([one === two, await customer()]).toEqual([true, one]);
    const elsewhere = await api().putClientCustomer({ clientId, type: "testing" }, otherFirm);
    expect(elsewhere.customerId).not.toBe(one);
    await expect(api().putClientCustomer({ clientId, type: "real" }, firm)).rejects.toMatchObject({
      reason: "bad_request",
    });
  });

  it("belongs to whose key it is: a firm called like our own tenant, another firm and nobody see nothing", async () => {
    await customer();
    for (const who of [otherFirm, asFirm("wallet")]) {
      const asked = api().getOpenBankingClient({ clientId }, who);
      await expect(asked).rejects.toMatchObject({ reason: "client_not_found" });
      await expect(api().createConnectUrl({ clientId }, who)).rejects.toMatchObject({ reason: "client_not_found" });
    }
    const ofWallet = { connector: "mastercard", reference: "777000777", userId: clientId };
    await connectTo(mc.replica.deps, ofWallet);
    const window = api().getAuthorizationWindow({ institutionLoginId: ofWallet.reference }, asFirm("wallet"));
    await expect(window).rejects.toMatchObject({ reason: "login_not_found" });
    await expect(api().getOpenBankingClient({ clientId })).rejects.toMatchObject({ code: 16 });
    await expect(api().getOpenBankingClient({ clientId }, asFirm("nobody"))).rejects.toMatchObject({ code: 16 });
  });

  it("goes from not linked over pending to linked, step by step, and a repeat changes nothing", async () => {
    const customerId = await customer();
    expect(await client()).toMatchObject({ badge: "not_linked", accounts: [] });
    const { link } = await api().createConnectUrl({ clientId, redirectUri: "http://127.0.0.1:65000/back" }, firm);
    expect(await client()).toMatchObject({ badge: "pending", step: "" });
    await mc.visit(link, { institutionId: oauthBank });
    await mc.sandbox.control("POST", `/customers/${customerId}/aggregate`);
    const steps = ["started", "discovered", "added", "processing"];
    for (const [index, webhook] of (await webhooksUntil(customerId, steps)).entries()) {
      await mc.deliver(webhook);
      expect(await client()).toMatchObject({ badge: "pending", step: steps[index] });
    }
    const done = must((await webhooksUntil(customerId, ["done"]))[0]);
    await mc.deliver(done);
    await syncAll();
    const after = await client();
    expect(after).toMatchObject({ badge: "linked", step: "done" });
    expect(after.accounts).toHaveLength(3);
    expect(after.accounts[0]).toMatchObject({ institutionName: "FinBank OAuth", state: "ACTIVE" });
    for (const webhook of [done, ...(await webhooksUntil(customerId, steps))]) await mc.deliver(webhook);
    await mc.sandbox.control("POST", "/events", { customerId, eventType: "started" });
    expect(await client()).toEqual(after);
  });

  it("is shown the provider's code when it went wrong, and what helps; and is linked once it went well", async () => {
    const customerId = await customer();
    await api().createConnectUrl({ clientId }, firm);
    await mc.sandbox.control("POST", "/events", { customerId, eventType: "unableToConnect", payload: { code: 103 } });
    for (const webhook of await webhooksUntil(customerId, ["unableToConnect"])) await mc.deliver(webhook);
    expect(await client()).toMatchObject({ badge: "error", errorCode: "103", action: "reconnect" });
    await linked();
    expect(await client()).toMatchObject({ badge: "linked" });
  });

  it("is repaired by a link for the login that waits for him", async () => {
    const customerId = await linked();
    const loginId = must((await client()).accounts[0]).institutionLoginId;
    await mc.sandbox.control("POST", `/logins/${loginId}/status`, { code: 185 });
    await api().refreshOpenBankingClient({ clientId }, firm);
    await syncAll();
    expect(await client()).toMatchObject({
      badge: "error",
      action: "reconnect",
      accounts: [{ state: "EXPIRED" }, {}, {}],
    });
    const { link } = await api().createConnectUrl(
      { clientId, institutionLoginId: loginId, redirectUri: "http://127.0.0.1:65000/b" },
      firm,
    );
    await mc.visit(link, { institutionId: oauthBank });
    await mc.sandbox.control("POST", `/customers/${customerId}/aggregate`);
    for (const webhook of await webhooksUntil(customerId, ["credentialsUpdated"])) await mc.deliver(webhook);
    await syncAll();
    expect(await client()).toMatchObject({
      badge: "linked",
      accounts: [{ state: "ACTIVE", status: "connected", institutionLoginId: loginId }, {}, {}],
    });
    const stray = api().createConnectUrl({ clientId, institutionLoginId: "1" }, firm);
    await expect(stray).rejects.toMatchObject({ reason: "login_not_found" });
  });
});

it("a firm is told that its client has to come, until it says that it has told him, and no other firm is", async () => {
  await linked();
  const [account] = (await client()).accounts;
  await mc.sandbox.control("POST", `/logins/${must(account).institutionLoginId}/status`, { code: 185 });
  await api().refreshOpenBankingClient({ clientId }, firm);
  await syncAll();
  expect((await api().takeClientNotices({}, otherFirm)).notices).toEqual([]);
  const { notices } = await api().takeClientNotices({}, firm);
  const told = must(notices.find((each) => each.clientId === clientId));
  expect(told).toMatchObject({ kind: "reauthorization_required", institutionName: "FinBank OAuth" });
  const waiting = () =>
    mc.replica.deps.storage.db.query
      .selectFrom("owner_notices")
      .where("user_id", "=", clientId)
      .select("notice_id")
      .execute();
  const { noticeId } = told;
  await api().acknowledgeClientNotices({ noticeIds: [noticeId] }, otherFirm);
  expect(await waiting()).toEqual([{ notice_id: noticeId }]);
  for (const _again of [1, 2]) await api().acknowledgeClientNotices({ noticeIds: [noticeId] }, firm);
  expect(await waiting()).toEqual([]);
  const bad = api().acknowledgeClientNotices({ noticeIds: ["x"] }, firm);
  await expect(bad).rejects.toMatchObject({ reason: "bad_request" });
});

describe("an e-mail with a link", () => {
  const to = "client@example.com";
  const emails = async () => recordsOf(await mc.sandbox.control("GET", "/emails"), "emails");

  it("is sent with what the firm sets, and noted without the address or the link in the clear", async () => {
    const customerId = await customer();
    const settings = {
      firstName: "Ada",
      from: "accounts@firm.example",
      subject: "Your accounts",
      supportPhone: "555-0100",
      institutionName: "Firm One",
      institutionAddress: "1 Main Street, Springfield",
      signature: ["A", "B"],
    };
    const beside = { language: "es", consumerId: `consumer-${crypto.randomUUID().slice(0, 8)}` };
    const sent = await api().sendConnectEmail({ clientId, to, ...settings, ...beside }, firm);
    expect(sent.status).toBe("sent");
    const days = (timestampDate(must(sent.ttlExpiresAt)).getTime() - mc.world.clock.now().getTime()) / 86_400_000;
    expect(days).toBe(7);
    const found = must((await emails()).find((each) => each["customerId"] === customerId));
    expect(found["email"]).toEqual({ to, ...settings });
    const calls = recordsOf(await mc.sandbox.control("GET", "/calls?path=/connect/v2/send/email"), "calls");
    const call = must(calls.find((each) => JSON.stringify(each).includes(beside.consumerId)));
    const words = ["language=es", `consumerId=${beside.consumerId}`, "redirectUri", "partnerId", "customerId"];
    expect(call["fields"]).toEqual(expect.arrayContaining(words));
    expect(await client()).toMatchObject({ badge: "pending" });
    const rows = await mc.replica.deps.storage.db.query.selectFrom("connect_emails").selectAll().execute();
    const row = must(rows.find((each) => each.user_id === clientId));
    expect(row.status).toBe("sent");
    expect(Buffer.from(row.sealed_details).toString("latin1")).not.toContain(to);
  });

  it("is noted even when the answer is lost, and refused when a text could be more than a line", async () => {
    await customer();
    await mc.sandbox.control("POST", "/faults", { path: "/connect/v2/send/email", kind: "lost_answer", times: 1 });
    await expect(api().sendConnectEmail({ clientId, to }, firm)).rejects.toMatchObject({
      reason: "provider_unavailable",
    });
    const rows = await mc.replica.deps.storage.db.query.selectFrom("connect_emails").selectAll().execute();
    expect(rows.find((each) => each.user_id === clientId)?.status).toBe("sending");
    for (const bad of [
      { to: "nobody" },
      { to, subject: "a\nBcc: x@example.com" },
      { to, signature: Array(11).fill("x") },
    ]) {
      await expect(api().sendConnectEmail({ clientId, ...bad }, firm)).rejects.toMatchObject({ reason: "bad_request" });
    }
  });
});

describe("an e-mail under way while its client is erased", () => {
  it("is noted nowhere, and leaves no key in his name", async () => {
    const owner = { tenant: "firm:firm-one", userId: clientId };
    const { deps } = mc.replica;
    await customer();
    const found = must(deps.connectors.get("mastercard"));
    const clients = must(found.clients);
    const sendLink: typeof clients.sendLink = async (request, call) => {
      const sent = await clients.sendLink(request, call);
      await eraseUser(deps, owner, testCaller());
      return sent;
    };
    const connectors = new Map([...deps.connectors, ["mastercard", { ...found, clients: { ...clients, sendLink } }]]);
    const command = {
      key: { owner, connector: "mastercard" },
      email: { to: "client@example.com" },
      language: "",
      consumerId: "",
      redirectUri: "",
    };
    const sent = await sendClientEmail({ ...deps, connectors }, command, testCaller());
    expect(sent.link).toMatch(/^http/);
    for (const table of ["connect_emails", "data_keys"] as const) {
      const rows = deps.storage.db.query.selectFrom(table).select("user_id").where("user_id", "=", clientId);
      expect(await rows.execute()).toEqual([]);
    }
    await expect(insertEmail(deps.storage, command.key, command.email, deps.clock.now())).rejects.toMatchObject({
      reason: "CLIENT_NOT_FOUND",
    });
  });
});

describe("the log of e-mails", () => {
  it("is read by the client's firm alone, newest first, each reading in the audit, and ends after 90 days", async () => {
    await customer();
    for (const to of ["one@example.com", "two@example.com"]) {
      await api().sendConnectEmail({ clientId, to }, firm);
      mc.world.clock.advance(1_000);
    }
    const readings = async () => {
      const acts = await mc.replica.deps.storage.db.query.selectFrom("audit_entries").selectAll().execute();
      return acts.filter((each) => JSON.stringify(each.details).includes("list_emails")).length;
    };
    const before = await readings();
    const first = await api().listConnectEmails({ clientId, pageSize: 1 }, firm);
    const second = await api().listConnectEmails({ clientId, pageSize: 1, pageToken: first.nextPageToken }, firm);
    expect([...first.emails, ...second.emails]).toMatchObject([
      { to: "two@example.com", status: "sent", link: expect.stringMatching(/^http/) },
      { to: "one@example.com", status: "sent" },
    ]);
    expect([first.nextPageToken === "", second.nextPageToken]).toEqual([false, ""]);
    expect((await readings()) - before).toBe(2);
    const foreign = api().listConnectEmails({ clientId }, otherFirm);
    await expect(foreign).rejects.toMatchObject({ reason: "client_not_found" });
    const { deps, refresher } = mc.replica;
    const isKept = async () => (await api().listConnectEmails({ clientId }, firm)).emails.length;
    mc.world.clock.advance(90 * 86_400_000 - 1_500);
    await sweepRetention({ deps, refresher, retentionDays: 730 }, new AbortController().signal);
    expect(await isKept()).toBe(1);
    mc.world.clock.advance(1_500);
    await sweepRetention({ deps, refresher, retentionDays: 730 }, new AbortController().signal);
    expect(await isKept()).toBe(0);
  });
});

describe("notifications", () => {
  const expiry = "authorization.accesstoken.expiry";

  it("are subscribed to by operators alone, changed, switched off and ended", async () => {
    const made = await api().createNotificationSubscription({}, asOperator);
    expect(made).toMatchObject({ url: mc.sandbox.receiver.url, events: [{ name: expiry }, {}, {}] });
    const { subscriptionId } = made;
    const listed = await api().listNotificationSubscriptions({}, asOperator);
    expect(listed.subscriptions.map((each) => each.subscriptionId)).toContain(subscriptionId);
    const condition = { subscribeFor: "customerId", includes: ["7"] };
    const change = { subscriptionId, events: [{ name: expiry, condition }], status: "inactive" };
    const changed = await api().putNotificationSubscription(change, asOperator);
    expect(changed).toMatchObject({ status: "inactive", events: [{ name: expiry, condition }] });
    expect(await api().getNotificationSubscription({ subscriptionId }, asOperator)).toEqual(changed);
    await expect(api().getNotificationSubscription({ subscriptionId }, firm)).rejects.toMatchObject({ code: 16 });
    await api().deleteNotificationSubscription({ subscriptionId }, asOperator);
    const repeated = api().deleteNotificationSubscription({ subscriptionId }, asOperator);
    await expect(repeated).rejects.toMatchObject({ reason: "subscription_not_found" });
    const acts = await mc.replica.deps.storage.db.query.selectFrom("audit_entries").selectAll().execute();
    const outcomes = acts.map((each) => each.outcome).filter((each) => each.startsWith("notifications_"));
    expect(outcomes.sort()).toEqual(["notifications_changed", "notifications_ended", "notifications_subscribed"]);
  });

  it.each([
    ["an unknown kind", { events: [{ name: "no.such.event" }] }],
    ["an address that is none", { url: "ftp://example.com" }],
    ["a condition on what is no field", { events: [{ name: expiry, condition: { subscribeFor: "name" } }] }],
    [
      "a value that is no id",
      { events: [{ name: expiry, condition: { subscribeFor: "accountId", includes: ["x"] } }] },
    ],
    ["more kinds than there is room for", { events: Array(21).fill({ name: expiry }) }],
  ])("are refused with %s", async (_name, request) => {
    const refused = api().createNotificationSubscription(request, asOperator);
    await expect(refused).rejects.toMatchObject({ reason: "bad_request" });
  });

  it("are another service there: its words for unknown, refused and an expired token are understood", async () => {
    for (const subscriptionId of ["x/../events", crypto.randomUUID()]) {
      const unknown = api().getNotificationSubscription({ subscriptionId }, asOperator);
      await expect(unknown).rejects.toMatchObject({ reason: "subscription_not_found" });
    }
    const path = "/notification-subscriptions/webhooks";
    await mc.sandbox.control("POST", "/faults", { path, kind: "provider_error", code: "1502", status: 400, times: 1 });
    const refused = api().createNotificationSubscription({}, asOperator);
    await expect(refused).rejects.toMatchObject({ reason: "bad_request" });
    await mc.sandbox.control("POST", "/partner/expire-tokens");
    expect((await api().listNotificationSubscriptions({}, asOperator)).total).toBe(0);
    await mc.sandbox.renew();
  });
});

describe("what a client connected", () => {
  it("is read by account, page by page, by his own firm alone", async () => {
    await linked();
    const accountId = must(must((await client()).accounts[0]).account).accountId;
    const first = await api().listOpenBankingTransactions({ accountId, pageSize: 5 }, firm);
    expect(first.transactions).toHaveLength(5);
    expect(first.transactions.every((each) => each.accountId === accountId)).toBe(true);
    const second = await api().listOpenBankingTransactions(
      { accountId, pageSize: 5, pageToken: first.nextPageToken },
      firm,
    );
    const ids = [...first.transactions, ...second.transactions].map((each) => each.transactionId);
    expect(new Set(ids).size).toBe(10);
    const foreign = api().listOpenBankingTransactions({ accountId }, otherFirm);
    await expect(foreign).rejects.toMatchObject({ reason: "account_not_found" });
  });

  it("has its authorization window told, and none where there is none", async () => {
    await linked();
    const loginId = must((await client()).accounts[0]).institutionLoginId;
    const window = await api().getAuthorizationWindow({ institutionLoginId: loginId }, firm);
    expect(window.status).toBe("authorized");
    expect(timestampDate(must(window.authorizationEndDate)).getTime()).toBeGreaterThan(Date.now());
    const foreign = api().getAuthorizationWindow({ institutionLoginId: loginId }, otherFirm);
    await expect(foreign).rejects.toMatchObject({ reason: "login_not_found" });
    clientId = `client-${crypto.randomUUID()}`;
    await linked("101732");
    const legacy = must((await client()).accounts[0]).institutionLoginId;
    expect(await api().getAuthorizationWindow({ institutionLoginId: legacy }, firm)).toMatchObject({
      status: "legacy",
    });
  });

  it("is asked anew on request, which needs something connected", async () => {
    await customer();
    const early = api().refreshOpenBankingClient({ clientId }, firm);
    await expect(early).rejects.toMatchObject({ reason: "client_not_linked" });
    await linked();
    expect((await api().refreshOpenBankingClient({ clientId }, firm)).jobIds).toHaveLength(1);
  });

  it("is disconnected by his firm, login by login, and then gone at the provider and here", async () => {
    const customerId = await linked();
    const { link } = await api().createConnectUrl({ clientId }, firm);
    await mc.visit(link, { institutionId: "900101" });
    await mc.sandbox.control("POST", `/customers/${customerId}/aggregate`);
    const isDone = (each: { body: Record<string, unknown> }) =>
      each.body["customerId"] === customerId && each.body["eventType"] === "done";
    await expect.poll(() => mc.sandbox.receiver.received.filter(isDone).length).toBe(2);
    const before = await windowsAsked();
    await mc.deliver(must(mc.sandbox.receiver.received.findLast(isDone)));
    // The login that is connected already costs no request.
    expect((await windowsAsked()) - before).toBe(1);
    await syncAll();
    const logins = [...new Set((await client()).accounts.map((each) => each.institutionLoginId))];
    const [institutionLoginId = ""] = logins;
    const foreign = api().disconnectOpenBankingClient({ clientId, institutionLoginId }, otherFirm);
    await expect(foreign).rejects.toMatchObject({ reason: "client_not_found" });
    const one = await api().disconnectOpenBankingClient({ clientId, institutionLoginId }, firm);
    expect(one).toMatchObject({ success: true, disconnected: 1, revokedAtProvider: true });
    expect(await client()).toMatchObject({ badge: "linked", accounts: [{}, {}, {}] });
    const again = api().disconnectOpenBankingClient({ clientId, institutionLoginId }, firm);
    await expect(again).rejects.toMatchObject({ reason: "login_not_found" });
    await api().disconnectOpenBankingClient({ clientId }, firm);
    expect(await client()).toMatchObject({ badge: "not_linked", accounts: [] });
    expect(await mc.accounts(customerId)).toEqual([]);
    expect(await api().disconnectOpenBankingClient({ clientId }, firm)).toMatchObject({ disconnected: 0 });
  });
});

describe("a customer made at Mastercard", () => {
  const live = new AbortController().signal;
  const deps = () => mc.replica.deps;
  const consentOf = (owner: Owner) => ({
    owner,
    connector: "mastercard",
    institutionId: "",
    redirectUri: "http://127.0.0.1:65000/api/connectors/mastercard/callback",
  });
  const namesOf = async (owner: Owner) => {
    const search = userReference(deps().storage, owner);
    const found = await mc.sandbox.api("GET", `/aggregation/v1/customers?search=${search}&start=1&limit=25`);
    return recordsOf(found, "customers").map((each) => String(each["username"]));
  };
  async function connect(owner: Owner) {
    const begun = await beginConnect(deps(), consentOf(owner), testCaller());
    await mc.visit(begun.authUrl ?? "", { institutionId: oauthBank });
    const answer = { attempt: { state: begun.state }, code: "complete", iss: "", error: "" };
    return (await completeConnect(deps(), { owner, ...answer }, testCaller())).connection;
  }
  async function forgetConsents(): Promise<void> {
    mc.world.clock.advance(4 * 3_600_000 + 1_000);
    await sweepAttempts(deps(), live);
    await sweepRevocations(deps(), live);
  }

  it("goes with a consent nobody ended, and with his last connection, and may come back under another name", async () => {
    const owner = ownerNamed(clientId);
    await beginConnect(deps(), consentOf(owner), testCaller());
    expect(await namesOf(owner)).toHaveLength(1);
    await forgetConsents();
    expect(await namesOf(owner)).toEqual([]);
    const connection = await connect(owner);
    const [name = ""] = await namesOf(owner);
    expect(name).toMatch(/^testing-[0-9a-f]+-\d+$/);
    await beginConnect(deps(), consentOf(owner), testCaller());
    await forgetConsents();
    expect(await namesOf(owner)).toEqual([name]);
    expect(await disconnect(deps(), connection, testCaller())).toBe(true);
    expect(await namesOf(owner)).toEqual([]);
    await connect(owner);
    expect(await namesOf(owner)).toHaveLength(1);
  });

  it("goes when he is erased, be he a person of ours or a firm's client", async () => {
    const owner = { tenant: "firm:firm-one", userId: clientId };
    await linked();
    const person = ownerNamed(clientId);
    await beginConnect(deps(), consentOf(person), testCaller());
    for (const each of [owner, person]) {
      expect(await namesOf(each)).toHaveLength(1);
      await eraseUser(deps(), each, testCaller());
      await sweepRevocations(deps(), live);
      expect(await namesOf(each)).toEqual([]);
    }
  });
});

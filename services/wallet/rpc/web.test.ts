import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { choosePassword } from "../flows/choose-password.ts";
import { startEmailCode } from "../flows/start-email-code.ts";
import { startEnrolment } from "../flows/start-enrolment.ts";
import { startWebEnrolment } from "../flows/start-web-enrolment.ts";
import { verifyEmailCode } from "../flows/verify-email-code.ts";
import { openWebSession, readWebSession } from "../flows/web-session.ts";
import { findUserByEmail } from "../storage/users-store.ts";
import {
  appUrl,
  failureOf,
  newEmail,
  oidcIssuer,
  signUp,
  startTestWallet,
  type TestWallet,
} from "../testing/test-wallet.ts";

let wallet: TestWallet;
let api: TestWallet["api"];

beforeAll(async () => {
  wallet = await startTestWallet();
  api = wallet.api;
});
afterAll(() => wallet.stop());

const password = "correct horse battery";
const call = { timeoutMs: 5_000 };
const clientAddress = "203.0.113.7";
let people = 0;

/** A person who signed up on the wallet's page and proved the address. */
async function webPerson(): Promise<{ email: string; userId: string; cookie: string }> {
  people += 1;
  const email = `web${people}@example.com`;
  const signUpFacts = { name: "Grace Brewster Hopper", password };
  const started = await startEmailCode(wallet.deps, { email, purpose: "web", signUp: signUpFacts, clientAddress });
  const { user, signedIn } = await verifyEmailCode(
    wallet.deps,
    { purpose: "web", challenge: started.challenge, code: started.devCode ?? "" },
    (tx, person) => openWebSession(wallet.deps, tx, { userId: person.userId, verified: true }),
  );
  return { email, userId: user.userId, cookie: nameAndValue(signedIn.cookie) };
}

const nameAndValue = (setCookie: string) => setCookie.split(";")[0] ?? "";
const withCookie = (cookie: string) => ({ headers: { cookie } });

/** What a browser gets from the web callback. */
async function webCallback(path: string, query: Record<string, string>, cookie?: string) {
  const headers = cookie === undefined ? {} : { cookie };
  const answer = await wallet.http.inject({ url: path, query, headers });
  const setCookie = answer.headers["set-cookie"];
  return {
    status: answer.statusCode,
    location: String(answer.headers["location"]),
    setCookie: String(setCookie ?? ""),
  };
}

/** Begins an enrolment in a browser that may have no session; gives state and cookie. */
async function beginOnWeb(bsimId: string, session?: string, chosen?: string) {
  // The rpc client shows no answer metadata, so the flow is called as the handler does.
  const present = await readWebSession(wallet.deps, session);
  const begun = await startWebEnrolment(wallet.deps, { bsimId, session: present, password: chosen }, call);
  return { state: begun.state, cookie: begun.cookie === undefined ? session : nameAndValue(begun.cookie) };
}

it("makes the account of a web sign-up only once the code is used", async () => {
  const email = newEmail();
  const started = await startEmailCode(wallet.deps, {
    email,
    purpose: "web",
    signUp: { name: "Later" },
    clientAddress,
  });
  expect(await findUserByEmail(wallet.db.query, email)).toBeUndefined();
  const { user } = await verifyEmailCode(
    wallet.deps,
    { purpose: "web", challenge: started.challenge, code: started.devCode ?? "" },
    async () => undefined,
  );
  expect(user).toMatchObject({ email, name: "Later" });
  expect(user.verifiedAt).not.toBeNull();
});

it("refuses a web challenge on the phone's route and the reverse", async () => {
  const { email } = await webPerson();
  const web = await startEmailCode(wallet.deps, { email, purpose: "web", clientAddress });
  const attempt = api.verifySignIn({ challenge: web.challenge, code: web.devCode ?? "", deviceId: "d" });
  expect(await failureOf(attempt)).toEqual({ status: 401, error: "unauthorized" });
});

it("tells the credential service who is at a browser, until he signs out, and nobody else", async () => {
  const person = await webPerson();
  const { cookie } = person;
  const check = (given: string) => wallet.credentialsApi.checkWebSession({ cookie: given });
  expect(await check(`other=1; ${cookie}`)).toMatchObject({ userId: person.userId });
  expect((await failureOf(api.checkWebSession({ cookie }))).status).toBe(401);
  const unauthorized = { status: 401, error: "unauthorized" };
  expect(await failureOf(check(`wsim.sid=${"x".repeat(43)}`))).toEqual(unauthorized);
  const nobody = await inTransaction(wallet.db, (tx) =>
    openWebSession(wallet.deps, tx, { userId: undefined, verified: false }),
  );
  expect(await failureOf(check(nameAndValue(nobody.cookie)))).toEqual(unauthorized);
  await api.signOutOnWeb({}, withCookie(cookie));
  expect(await failureOf(check(cookie))).toEqual(unauthorized);
});

it("signs a browser in by password, tells who it is, and out again", async () => {
  const person = await webPerson();
  expect(await api.signInOnWeb({ email: person.email, password })).toMatchObject({ id: person.userId });
  expect(await api.getWebUser({}, withCookie(person.cookie))).toMatchObject({ email: person.email });
  expect(await api.getWebProfile({}, withCookie(person.cookie))).toMatchObject({
    firstName: "Grace Brewster",
    lastName: "Hopper",
    cardCount: 0,
  });
  expect(await api.getWebSession({}, withCookie(person.cookie))).toMatchObject({ authenticated: true });
  await api.signOutOnWeb({}, withCookie(person.cookie));
  expect(await api.getWebSession({}, withCookie(person.cookie))).toMatchObject({ authenticated: false });
  const refused = await failureOf(api.getWebUser({}, withCookie(person.cookie)));
  expect(refused).toEqual({ status: 401, error: "unauthorized" });
});

it("answers alike for a wrong password, an address without a password and one without an account", async () => {
  const person = await webPerson();
  const { email: withoutPassword } = await signUp(api);
  for (const email of [person.email, withoutPassword, "nobody@example.com"]) {
    const onWeb = await failureOf(api.signInOnWeb({ email, password: "wrong password" }));
    expect(onWeb).toEqual({ status: 401, error: "unauthorized" });
    const onPhone = await failureOf(api.signInWithPassword({ email, password: "wrong password", deviceId: "d1" }));
    expect(onPhone).toEqual({ status: 401, error: "invalid_credentials" });
  }
});

it("signs a phone in by password", async () => {
  const person = await webPerson();
  const { user } = await api.signInWithPassword({ email: person.email, password, deviceId: "web-persons-phone" });
  expect(user?.id).toBe(person.userId);
});

it("refuses to change a session for a page of another site", async () => {
  const person = await webPerson();
  const foreign = { headers: { "sec-fetch-site": "cross-site" } };
  const forbidden = { status: 403, error: "forbidden" };
  expect(await failureOf(api.signInOnWeb({ email: person.email, password }, foreign))).toEqual(forbidden);
  expect(await failureOf(api.startWebEnrollment({ bsimId: "north-bank" }, foreign))).toEqual(forbidden);
  expect(await failureOf(api.signOutOnWeb({}, foreign))).toEqual(forbidden);
});

it("ends a browser's session after fourteen days", async () => {
  const person = await webPerson();
  wallet.clock.advance(14 * 24 * 3_600_000);
  expect(await api.getWebSession({}, withCookie(person.cookie))).toMatchObject({ authenticated: false });
});

it("takes a signed-in person through a bank and back to the wallet's page", async () => {
  const person = await webPerson();
  const { state } = await beginOnWeb("north-bank", person.cookie);
  const path = "/api/enrollment/callback/north-bank";
  const without = await webCallback(path, { code: "c1", state });
  expect(without.location).toBe(`${appUrl}/enroll?error=invalid_session`);
  const { cookie: stranger } = await webPerson();
  expect((await webCallback(path, { code: "c1", state }, stranger)).location).toContain("error=invalid_session");
  const wrongBank = await webCallback("/api/enrollment/callback/maple-bank", { code: "c1", state }, person.cookie);
  expect(wrongBank.location).toContain("error=invalid_bsim");
  const done = await webCallback(path, { code: "c1", state }, person.cookie);
  expect(done).toMatchObject({ status: 302, location: `${appUrl}/wallet?enrolled=north-bank` });
  const { cards } = await api.listCards({}, withCookie(person.cookie));
  expect(cards).toHaveLength(2);
  expect(await api.getCard({ cardId: cards[0]?.id ?? "" }, withCookie(person.cookie))).toMatchObject({
    isActive: true,
  });
  const { enrollments } = await api.listEnrollmentsOnWeb({}, withCookie(person.cookie));
  expect(enrollments).toMatchObject([{ bsimId: "north-bank", cardCount: 2 }]);
  expect(enrollments[0]?.fiUserRef).toBeUndefined();
});

it("makes an unverified account from an enrolment by someone who has none, with the password chosen at the start", async () => {
  const north = wallet.credential.banks.get("north-bank");
  if (north === undefined) throw new Error("no bank");
  const email = newEmail();
  north.customer.email = email;
  const begun = await beginOnWeb("north-bank", undefined, password);
  const path = "/api/enrollment/callback/north-bank";
  const done = await webCallback(path, { code: "c1", state: begun.state }, begun.cookie);
  expect(done.location).toBe(`${appUrl}/wallet?enrolled=north-bank`);
  const session = nameAndValue(done.setCookie);
  expect(session).not.toBe(begun.cookie);
  expect(await api.getWebUser({}, withCookie(session))).toMatchObject({ email });
  const user = await findUserByEmail(wallet.db.query, email);
  expect(user?.verifiedAt).toBeNull();
  expect(await api.signInOnWeb({ email, password })).toMatchObject({ id: user?.userId });
  // The session that only tied the walk to its browser is of no use afterwards.
  expect(await readWebSession(wallet.deps, begun.cookie)).toBeUndefined();
});

it("keeps what a person enrolled before the account when the address is proved in that same browser", async () => {
  const north = wallet.credential.banks.get("north-bank");
  if (north === undefined) throw new Error("no bank");
  const email = newEmail();
  north.customer.email = email;
  const begun = await beginOnWeb("north-bank", undefined, password);
  const query = { code: "c1", state: begun.state };
  const { setCookie } = await webCallback("/api/enrollment/callback/north-bank", query, begun.cookie);
  const cookie = nameAndValue(setCookie);
  const session = await readWebSession(wallet.deps, cookie);
  const started = await startEmailCode(wallet.deps, { email, purpose: "web", clientAddress });
  const code = { purpose: "web", challenge: started.challenge, code: started.devCode ?? "" } as const;
  await verifyEmailCode(wallet.deps, { ...code, webSessionId: session?.sessionId }, async () => undefined);
  expect((await api.listWebEnrollments({}, withCookie(cookie))).enrollments).toMatchObject([{ bsimId: "north-bank" }]);
  expect(await api.signInOnWeb({ email, password })).toMatchObject({ email });
});

/** How many connections are about to be dropped. */
async function waitingDrops(): Promise<number> {
  const { rows } = await wallet.db.pool.query(
    "select 1 from wallet_jobs._private_jobs j join wallet_jobs._private_tasks t on t.id = j.task_id where t.identifier = 'drop_connection'",
  );
  return rows.length;
}

it("never lets an enrolment take over an account that has the address", async () => {
  const person = await webPerson();
  const north = wallet.credential.banks.get("north-bank");
  if (north === undefined) throw new Error("no bank");
  north.customer.email = person.email.toUpperCase();
  const begun = await beginOnWeb("north-bank");
  const path = "/api/enrollment/callback/north-bank";
  const before = await waitingDrops();
  const done = await webCallback(path, { code: "c1", state: begun.state }, begun.cookie);
  expect(done.location).toContain(`${appUrl}/enroll?error=account_exists`);
  expect(done.location).toContain("sign%20in%20first");
  expect(done.setCookie).toBe("");
  expect((await api.listCards({}, withCookie(person.cookie))).cards).toHaveLength(0);
  expect(await waitingDrops()).toBe(before + 1);
});

it("takes the password of an account away that somebody else made before its owner proved the address", async () => {
  const north = wallet.credential.banks.get("north-bank");
  if (north === undefined) throw new Error("no bank");
  const email = newEmail();
  north.customer.email = email;
  const begun = await beginOnWeb("north-bank", undefined, password);
  await webCallback("/api/enrollment/callback/north-bank", { code: "c1", state: begun.state }, begun.cookie);
  const started = await startEmailCode(wallet.deps, { email, purpose: "web", clientAddress });
  const verify = { purpose: "web", challenge: started.challenge, code: started.devCode ?? "" } as const;
  const { user } = await verifyEmailCode(wallet.deps, verify, async () => undefined);
  expect(user.passwordHash).toBeNull();
  const refused = await failureOf(api.signInOnWeb({ email, password }));
  expect(refused).toEqual({ status: 401, error: "unauthorized" });
  const enrolments = await wallet.db.query
    .selectFrom("enrolments")
    .select("state")
    .where("user_id", "=", user.userId)
    .execute();
  expect(enrolments).toEqual([{ state: "removing" }]);
});

describe("while the owner of an address proves it", () => {
  /** An account a squatter made by an enrolment, and the owner's proof, held before its end until `finish`. */
  async function squatted(email: string, chosen?: string) {
    const north = wallet.credential.banks.get("north-bank");
    if (north === undefined) throw new Error("no bank");
    north.customer.email = email;
    const begun = await beginOnWeb("north-bank", undefined, chosen);
    const query = { code: "c1", state: begun.state };
    const { setCookie } = await webCallback("/api/enrollment/callback/north-bank", query, begun.cookie);
    const session = await readWebSession(wallet.deps, nameAndValue(setCookie));
    const user = await findUserByEmail(wallet.db.query, email);
    if (user === undefined || session === undefined) throw new Error("no squatter");
    const started = await startEmailCode(wallet.deps, { email, purpose: "web", clientAddress });
    const verify = { purpose: "web", challenge: started.challenge, code: started.devCode ?? "" } as const;
    const [held, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const proof = verifyEmailCode(wallet.deps, verify, async () => {
      held.resolve();
      await finish.promise;
    });
    await Promise.race([held.promise, proof]);
    return { user, session, finish: () => finish.resolve(), proof };
  }

  /** Resolves once `work` has ended or waits for a row somebody else holds. */
  async function stuckOrDone(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = work.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    const waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while (!isDone && (await wallet.db.pool.query(waiting)).rowCount === 0) await Promise.race([done, pause(20)]);
  }

  it("opens nothing for the squatter's password, though it was right when it was checked", async () => {
    const { user, finish, proof } = await squatted(newEmail(), password);
    const phone = failureOf(api.signInWithPassword({ email: user.email, password, deviceId: "squatter-phone" }));
    await stuckOrDone(phone);
    const browser = failureOf(api.signInOnWeb({ email: user.email, password }));
    await stuckOrDone(browser);
    finish();
    await proof;
    expect(await phone).toEqual({ status: 401, error: "invalid_credentials" });
    expect(await browser).toEqual({ status: 401, error: "unauthorized" });
    for (const table of ["device_sessions", "web_sessions"]) {
      const live = `select 1 from ${table} where user_id = $1 and revoked_at is null`;
      expect((await wallet.db.pool.query(live, [user.userId])).rowCount).toBe(0);
    }
  });

  it("keeps no password the squatter's browser sets at that moment", async () => {
    const { user, session, finish, proof } = await squatted(newEmail());
    const choice = { user, sessionId: session.sessionId, password, presentPassword: undefined };
    const chosen = expect(choosePassword(wallet.deps, choice)).rejects.toMatchObject({ reason: "CONFLICT" });
    const begun = startWebEnrolment(wallet.deps, { bsimId: "maple-bank", session, password }, call);
    await stuckOrDone(Promise.all([chosen, begun]));
    finish();
    await Promise.all([proof, chosen, begun]);
    expect((await findUserByEmail(wallet.db.query, user.email))?.passwordHash).toBeNull();
  });
});

it("returns a person who enrolled inside a payment to that payment", async () => {
  const person = await webPerson();
  const session = await readWebSession(wallet.deps, person.cookie);
  const begin = () =>
    startEnrolment(
      wallet.deps,
      {
        via: "oidc",
        userId: person.userId,
        bsimId: "maple-bank",
        webSessionId: session?.sessionId ?? "",
        resumeUid: "uid-1",
      },
      call,
    );
  const begun = await begin();
  expect(begun.redirectUri).toBe(`${oidcIssuer}/auth/callback/maple-bank`);
  const path = "/auth/callback/maple-bank";
  const done = await webCallback(path, { code: "c1", state: begun.state }, person.cookie);
  expect(done.location).toBe(`${oidcIssuer}/interaction/uid-1?enrolled=maple-bank`);
  const again = await begin();
  const denied = await webCallback(path, { error: "access_denied", state: again.state }, person.cookie);
  expect(denied.location).toContain(`${oidcIssuer}/interaction/uid-1?error=access_denied`);
});

it("sets a first password at the start of an enrolment and never changes one that is set", async () => {
  const person = await webPerson();
  await beginOnWeb("north-bank", person.cookie, "another password");
  expect(await api.signInOnWeb({ email: person.email, password })).toMatchObject({ id: person.userId });
  const short = beginOnWeb("north-bank", person.cookie, "short");
  await expect(short).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
});

it("stores neither code nor cookie nor password nor state in clear", async () => {
  const email = newEmail();
  const started = await startEmailCode(wallet.deps, {
    email,
    purpose: "web",
    signUp: { name: "S", password },
    clientAddress,
  });
  const code = started.devCode ?? "";
  const opened = await inTransaction(wallet.db, (tx) =>
    openWebSession(wallet.deps, tx, { userId: undefined, verified: false }),
  );
  const begun = await beginOnWeb("north-bank", nameAndValue(opened.cookie));
  const secrets = [started.challenge, nameAndValue(opened.cookie).split("=")[1] ?? "", password, begun.state, email];
  for (const table of ["sign_in_challenges", "outgoing_mail", "web_sessions", "enrolment_attempts", "users"]) {
    const { rows } = await wallet.db.pool.query(`select row_to_json(t)::text as json from ${table} t`);
    const stored = rows.map((row) => row.json).join("\n");
    for (const secret of secrets) {
      // An address is no secret where it names a person; in a sealed mail it is.
      if (secret === email && table !== "outgoing_mail") continue;
      expect(stored).not.toContain(secret);
      expect(stored).not.toContain(Buffer.from(secret).toString("hex"));
    }
    if (table === "sign_in_challenges") expect(stored).not.toContain(`"${code}"`);
    if (table === "outgoing_mail") expect(stored).not.toContain(Buffer.from(code).toString("hex"));
  }
});

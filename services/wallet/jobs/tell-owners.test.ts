import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { eraseClosedAccounts } from "../flows/close-account.ts";
import { openMail } from "../flows/queue-mail.ts";
import {
  connectionsUrl,
  enrol,
  failureOf,
  type Phone,
  signInByCode,
  signUp,
  startTestWallet,
  type TestWallet,
} from "../testing/test-wallet.ts";
import { tellOwners } from "./tell-owners.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const signal = new AbortController().signal;
let wallet: TestWallet;

beforeAll(async () => {
  wallet = await startTestWallet();
});
afterAll(() => wallet?.stop());
beforeEach(() => {
  wallet.credential.notices = [];
  wallet.credential.losesAcknowledgements = false;
  wallet.credential.erasing = "completed";
});

const tell = () => tellOwners(wallet.deps, wallet.notices, signal);

/** A person whose address is proved. */
async function person(): Promise<Phone> {
  const { email, deviceId } = await signUp(wallet.api);
  return await signInByCode(wallet.api, email, deviceId);
}

/** Mails about connections that are on their way to an address, in order. */
async function mailsTo(email: string) {
  const rows = await wallet.db.query.selectFrom("outgoing_mail").selectAll().orderBy("mail_id").execute();
  return rows
    .map((row) => openMail(wallet.deps.box, row.mail_id, row.sealed))
    .filter((mail) => mail.to === email && !/code/.test(mail.subject));
}

/** A connection at a data provider, and how it stands. */
function connected({ userId }: Phone, state: string) {
  const connection = {
    connectionId: uuidv7(),
    userId,
    bsimId: "ob-heron",
    state,
    ownerReference: "o",
    hasAccessToken: true,
    hasCredential: false,
    credentialExpiresAt: new Date(),
    updatedAt: new Date(),
  };
  wallet.credential.connections.push(connection);
  return connection;
}

function notice({ connectionId, userId }: { connectionId: string; userId: string }, kind: string, more = {}) {
  wallet.clock.advance(1);
  const at = wallet.clock.now();
  wallet.credential.notices.push({
    noticeId: uuidv7(at.getTime()),
    owner: { tenant: "wallet", userId },
    connectionId,
    connector: "truelayer",
    institutionId: "ob-heron",
    institutionName: "Heron Building Society",
    providerName: "TrueLayer",
    kind,
    createdAt: timestampFromDate(at),
    ...more,
  });
}

it("a person is told once by mail, however often a notice is handed out, and it is acknowledged", async () => {
  const ada = await person();
  const connection = connected(ada, "EXPIRED");
  notice(connection, "reauthorization_required");
  wallet.credential.losesAcknowledgements = true;
  await tell();
  await Promise.all([tell(), tell()]);
  wallet.clock.advance(2 * hourMs);
  await tell();
  expect(wallet.credential.notices).toHaveLength(1);
  wallet.credential.losesAcknowledgements = false;
  await tell();
  expect(wallet.credential.notices).toEqual([]);
  const mails = await mailsTo(ada.email);
  expect(mails).toMatchObject([{ subject: "Heron Building Society needs your consent again" }]);
  expect(mails[0]?.text).toContain(`\n${connectionsUrl}\n`);
  expect(mails[0]?.text).toContain('choose "Connect again"');
});

it("a provider that comes and goes all day sends four mails at most, and none for what is well again", async () => {
  const ada = await person();
  const [flapping, other] = [connected(ada, "EXPIRED"), connected(ada, "EXPIRED")];
  for (let round = 0; round < 40; round += 1) {
    notice(flapping, "reauthorization_required");
    notice(other, "provider_down");
    await tell();
    if (round === 1) {
      // Overtaken before the hour is over.
      wallet.clock.advance(minuteMs);
      notice(flapping, "recovered");
      await tell();
    }
    if (round < 3) expect(await mailsTo(ada.email)).toHaveLength(1);
    wallet.clock.advance(15 * minuteMs);
  }
  expect(await mailsTo(ada.email)).toHaveLength(4);
  wallet.clock.advance(24 * hourMs);
  flapping.state = "ACTIVE";
  await tell();
  expect(await mailsTo(ada.email)).toHaveLength(4);
});

it("what has gathered is one mail, without what is settled by then; unproved addresses and outages get none", async () => {
  const [ada, stranger] = [await person(), await signUp(wallet.api)];
  const [first, gone, renewed, down] = ["EXPIRED", "REVOKED", "ACTIVE", "ERROR"].map((state) => connected(ada, state));
  if (first === undefined || gone === undefined || renewed === undefined || down === undefined) throw new Error("four");
  notice(first, "reauthorization_required");
  await tell();
  const ends = (days: number) => new Date(wallet.clock.now().getTime() + days * 24 * hourMs);
  Object.assign(renewed, { consentExpiresAt: ends(90) });
  notice(renewed, "consent_expiring", { consentEndsAt: timestampFromDate(ends(2)) });
  notice(gone, "consent_revoked", { institutionName: "Evil\r\nBcc: all@example.com\u202e" });
  notice(first, "reauthorization_required");
  notice(down, "provider_down");
  notice(connected(stranger, "EXPIRED"), "reauthorization_required");
  notice({ connectionId: uuidv7(), userId: uuidv7() }, "reauthorization_required");
  await tell();
  wallet.clock.advance(hourMs + 1);
  await tell();
  const mails = await mailsTo(ada.email);
  expect(mails.map((mail) => mail.subject)).toEqual([
    "Heron Building Society needs your consent again",
    "2 of your accounts need you",
  ]);
  expect(mails[1]?.text).toContain("Evil Bcc: all@example.com is not connected any more.");
  expect(mails[1]?.text).not.toMatch(/ends on|does not answer/);
  expect(await mailsTo(stranger.email)).toEqual([]);
  expect(wallet.credential.notices).toEqual([]);
});

it("a closed account is nobody's at once and gone once the holder of its secrets has confirmed, whatever is down meanwhile", async () => {
  const ada = await person();
  await enrol(wallet, ada, "north-bank");
  const connection = connected(ada, "EXPIRED");
  notice(connection, "reauthorization_required");
  await tell();
  wallet.credential.erasing = "down";
  const answer = await wallet.api.deleteAccount({}, ada.auth);
  expect(answer).toMatchObject({ success: true, message: expect.stringContaining("goes on by itself") });
  expect(await failureOf(wallet.api.listEnrollments({}, ada.auth))).toMatchObject({ status: 401 });
  expect(await mailsTo(ada.email)).toHaveLength(2);
  const successor = await signUp(wallet.api, ada.email);
  expect(successor.userId).not.toBe(ada.userId);

  const rowsOf = async (table: "users" | "cards" | "enrolments" | "owner_notices" | "account_erasures") =>
    (await wallet.db.query.selectFrom(table).selectAll().where("user_id", "=", ada.userId).execute()).length;
  notice(connection, "consent_revoked");
  await tell();
  expect([await rowsOf("owner_notices"), wallet.credential.notices.length]).toEqual([0, 0]);
  for (const erasing of ["down", "running"] as const) {
    wallet.credential.erasing = erasing;
    wallet.clock.advance(20 * minuteMs);
    expect(await eraseClosedAccounts(wallet.deps, signal)).toBe(0);
    expect(await rowsOf("users")).toBe(1);
  }
  const asked = wallet.credential.erasures.length;
  wallet.credential.erasing = "completed";
  wallet.clock.advance(20 * minuteMs);
  const runs = [eraseClosedAccounts(wallet.deps, signal), eraseClosedAccounts((await wallet.replica()).deps, signal)];
  expect((await Promise.all(runs)).sort()).toEqual([0, 1]);
  expect(wallet.credential.erasures.slice(asked)).toEqual([ada.userId]);
  for (const table of ["users", "cards", "enrolments", "owner_notices", "account_erasures"] as const) {
    expect(await rowsOf(table), table).toBe(0);
  }
  expect((await signInByCode(wallet.api, ada.email, successor.deviceId)).userId).toBe(successor.userId);
});

it("an erasure that was confirmed at once is asked for again, for what was begun while a sign-in was still believed", async () => {
  const ada = await person();
  expect((await wallet.api.deleteAccount({}, ada.auth)).message).toBeUndefined();
  const asks = () => wallet.credential.erasures.filter((userId) => userId === ada.userId).length;
  expect(asks()).toBe(1);
  wallet.clock.advance(21_000);
  expect(await eraseClosedAccounts(wallet.deps, signal)).toBe(0);
  wallet.clock.advance(40_000);
  expect(await eraseClosedAccounts(wallet.deps, signal)).toBe(1);
  expect(asks()).toBe(3);
});

import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startJobs } from "../../platform/jobs/worker.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { eventually } from "../../platform/testing/eventually.ts";
import { createMailer, type Mailer } from "../clients/mailer.ts";
import { startEmailCode } from "../flows/start-email-code.ts";
import { enrol, newEmail, signUp, startTestWallet, type TestWallet } from "../testing/test-wallet.ts";
import { sweepExpired } from "./sweep-expired.ts";
import { walletTasks } from "./wallet-tasks.ts";

let wallet: TestWallet;
let smtp: SMTPServer;
let mailer: Mailer;
let jobs: { stop(): Promise<void> };
let refuseMail = false;
const mails: { to: string[]; text: string }[] = [];
const logLines: string[] = [];

beforeAll(async () => {
  wallet = await startTestWallet();
  smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData: (stream, session, done) => {
      let text = "";
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString("utf8");
      });
      stream.on("end", () => {
        if (refuseMail) return done(new Error("mailbox busy"));
        mails.push({ to: session.envelope.rcptTo.map((one) => one.address), text });
        done();
      });
    },
  });
  await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", resolve));
  const { port } = smtp.server.address() as AddressInfo; // a TCP server always has one
  mailer = createMailer({ smtpUrl: `smtp://127.0.0.1:${port}`, from: "wallet@example.com" });
  jobs = await startJobs({
    url: wallet.databaseUrl,
    schema: "wallet",
    tasks: walletTasks(wallet.deps, mailer),
    log: createLogger({ service: "wallet", destination: { write: (line: string) => logLines.push(line) } }),
  });
});
afterAll(async () => {
  await jobs.stop();
  mailer.close();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
  await wallet.stop();
});

const waitingMails = async () => {
  const { rows } = await wallet.db.pool.query("select count(*)::int as count from outgoing_mail");
  return rows[0].count as number;
};

it("mails the code, alone on its line, to the address as its owner wrote it, and forgets the mail", async () => {
  const { email } = await signUp(wallet.api, `Ada.Mail.${newEmail()}`);
  const before = mails.length;
  const started = await startEmailCode(wallet.deps, {
    email: email.toLowerCase(),
    purpose: "web",
    clientAddress: "203.0.113.7",
  });
  await eventually("the mail arrives", () => mails.length === before + 1);
  expect(mails[before]?.to).toEqual([email]);
  expect(mails[before]?.text.split("\r\n")).toContain(started.devCode);
  await eventually("no mail waits", async () => (await waitingMails()) === 0);
});

it("sends nothing to an address without an account, and forgets that too", async () => {
  const before = mails.length;
  await startEmailCode(wallet.deps, { email: "nobody@example.com", purpose: "web", clientAddress: "203.0.113.7" });
  await eventually("no mail waits", async () => (await waitingMails()) === 0);
  expect(mails).toHaveLength(before);
});

it("sends a mail later when the server did not take it at first, and logs no code", async () => {
  refuseMail = true;
  const { email } = await signUp(wallet.api);
  const before = mails.length;
  const started = await startEmailCode(wallet.deps, { email, purpose: "web", clientAddress: "203.0.113.7" });
  await eventually("the failure is logged", () => logLines.some((line) => line.includes("send_mail")));
  expect(mails).toHaveLength(before);
  refuseMail = false;
  await wallet.db.pool.query("update wallet_jobs._private_jobs set run_at = now()");
  await eventually("the mail arrives", () => mails.length === before + 1);
  const code = started.devCode ?? "none";
  expect(logLines.filter((line) => line.includes(code))).toEqual([]);
});

it("asks again for the cards of a consent whose bank did not answer", async () => {
  const north = wallet.credential.banks.get("north-bank");
  if (north === undefined) throw new Error("no bank");
  north.listsCards = false;
  const phone = await signUp(wallet.api);
  const link = await enrol(wallet, phone, "north-bank");
  expect(link.get("cardCount")).toBe("0");
  north.listsCards = true;
  await wallet.db.pool.query("update wallet_jobs._private_jobs set run_at = now()");
  await eventually("the cards are there", async () => (await wallet.api.listCards({}, phone.auth)).cards.length === 2);
});

it("sweeps away what has expired", async () => {
  await startEmailCode(wallet.deps, { email: "nobody@example.com", purpose: "web", clientAddress: "203.0.113.7" });
  await wallet.api.registerDevice({ deviceId: "d1", platform: "ios", deviceName: "Phone" });
  wallet.clock.advance(100 * 24 * 3_600_000);
  expect(await sweepExpired(wallet.deps, new AbortController().signal)).toBeGreaterThan(0);
  for (const table of ["sign_in_challenges", "devices", "device_sessions", "refresh_tokens", "enrolment_attempts"]) {
    const { rows } = await wallet.db.pool.query(`select 1 from ${table}`);
    expect(rows).toHaveLength(0);
  }
});
